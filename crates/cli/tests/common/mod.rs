//! A scene for whole-command tests: a small made-up image world, a tiny backbone with computed weights, a cache of its own.
// Each test program uses its own part of the scene, and a scene that cannot be set up should end the test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use heirloom_data::{Kind, Shape, Texture, World};
use heirloom_zoo::{Layout, Recipe, Sidecar, architectures};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// Everything a test needs, removed at its end.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// An empty scene.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With `photos/{train,test}` of four classes and the backbone `tiny.safetensors`.
    pub fn new() -> Self {
        let scene = Self::empty();
        scene.world("photos", 14, 6);
        scene.backbone("tiny", "cifar_resnet20", |_, _| {});
        scene
    }

    /// A path in the scene.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in the scene as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    /// Draws `train` and `test` images of each of four classes.
    pub fn world(&self, name: &str, train: usize, test: usize) {
        let kinds = Kind::all(&[Shape::Disc, Shape::Star], &[Texture::Smooth, Texture::Stripes]);
        let world = World { seed: 1, side: 32, kinds, train, test, ..World::default() };
        world.write(&self.at(name)).unwrap();
    }

    /// `train` and `test` images of each of three colours, with noise: a task that any network's features solve.
    pub fn colours(&self, name: &str, train: usize, test: usize) {
        for (split, count) in [("train", train), ("test", test)] {
            for (class, colour) in [("red", [40, 60, 200]), ("green", [40, 190, 60]), ("blue", [210, 70, 50])] {
                let folder = self.at(name).join(split).join(class);
                std::fs::create_dir_all(&folder).unwrap();
                for number in 0..count {
                    let seed = (number as u64) << 8 | u64::from(split == "test") << 40;
                    std::fs::write(folder.join(format!("{number}.bmp")), bitmap(colour, seed)).unwrap();
                }
            }
        }
    }

    /// A picture of 32 x 32 noisy pixels about one colour.
    pub fn bitmap(&self, name: &str, colour: [u8; 3], seed: u64) {
        std::fs::write(self.at(name), bitmap(colour, seed << 8)).unwrap();
    }

    /// Writes `NAME.safetensors` and its description; `change` may spoil the values of any key.
    pub fn backbone(&self, name: &str, architecture: &str, change: impl Fn(&str, &mut Vec<f32>)) {
        let recipe = Recipe::usual(name, architecture).unwrap();
        let network = architectures::build(&recipe, Layout::Torchvision).unwrap();
        let mut tensors = BTreeMap::new();
        for (key, shape) in &network.graph.parameters {
            let mut values = values(key, shape);
            change(key, &mut values);
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.insert(key.clone(), (shape.clone(), bytes));
        }
        let views = tensors
            .iter()
            .map(|(key, (shape, bytes))| (key.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(self.at(&format!("{name}.safetensors")), file).unwrap();
        let sidecar = serde_json::to_vec(&Sidecar::from_recipe(&recipe)).unwrap();
        std::fs::write(self.at(&format!("{name}.json")), sidecar).unwrap();
    }

    /// The command with these arguments, the scene's cache, and nothing of the user's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HEIRLOOM_CACHE", self.at("cache")).env_remove("HEIRLOOM_DATA").env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it, expecting success.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}\n{}", ran.err);
        ran
    }
}

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Standard output as one JSON object and nothing else.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out));
        assert!(value.is_object());
        value
    }

    /// Expects a refusal: exit code, each part in the message, no trace of a panic.
    pub fn refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        assert!(self.err.contains("error: "), "{}", self.err);
    }
}

/// A BMP file of 32 x 32 noisy pixels about one colour (blue, green, red).
fn bitmap(colour: [u8; 3], seed: u64) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    let size = 54 + 32 * 32 * 3_u32;
    for word in [size, 0, 54, 40, 32, 32, 1 | 24 << 16, 0, size - 54, 2835, 2835, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    let noise = |at: u64| (mixed(seed ^ at) >> 40) % 60;
    file.extend(
        (0..32 * 32 * 3_u64).map(|at| (u64::from(colour[at as usize % 3]) + noise(at)).saturating_sub(30) as u8),
    );
    file
}

/// The finaliser of SplitMix64.
fn mixed(counter: u64) -> u64 {
    let mut word = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Values that keep a network's activations in range: He variance for weights, identity batch norms.
fn values(key: &str, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    if shape.len() < 2 {
        let one = key.ends_with("weight") || key.ends_with("running_var");
        return vec![f32::from(u8::from(one)); count];
    }
    let scale = (6.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
    let seed = key.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let uniform = |index: u64| (mixed(seed ^ index) >> 40) as f32 / (1_u32 << 24) as f32;
    (0..count as u64).map(|index| scale * (2.0 * uniform(index) - 1.0)).collect()
}

/// Every file below a folder with its content.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(
                tree(&path).into_iter().map(|(inner, bytes)| (PathBuf::from(entry.file_name()).join(inner), bytes)),
            );
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.insert(entry.file_name().into(), bytes);
        }
    }
    found
}
