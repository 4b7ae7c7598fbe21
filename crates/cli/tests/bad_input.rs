//! Each way a command can be given something wrong: a clear message, the right exit code, nothing lost.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use common::Scene;

/// `fit photos --method ncm` on the tiny backbone, with more arguments.
fn fit<'a>(data: &'a str, backbone: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["fit", data, "--backbone", backbone, "--method", "ncm"], more].concat()
}

#[test]
fn what_cannot_be_typed() {
    let scene = Scene::empty();
    for arguments in [&["fit", "d", "--frobnicate"][..], &["fit"], &["fit", "d", "--method", "magic"], &["frob"], &[]] {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
    assert!(scene.run(&["fit", "d", "--methd", "ncm"]).err.contains("--method"), "a misspelt flag is suggested");
    let help = scene.ok(&["fit", "--help"]);
    assert!(help.out.contains("Examples:"));
}

#[test]
fn no_backbone_or_an_unknown_one_lists_what_there_is() {
    let scene = Scene::new();
    scene.run(&["fit", "photos"]).refused(2, &["no backbone", "resnet18", "Apache-2.0", "download", "hint: "]);
    scene.run(&fit("photos", "nonesuch", &[])).refused(2, &["nonesuch", "deit_tiny_patch16_224", "hint: "]);
    let object = scene.run(&fit("photos", "nonesuch", &["--json"])).json();
    assert_eq!(object["exit_code"], 2);
}

#[test]
fn data_sets_that_nothing_can_be_fitted_on() {
    let scene = Scene::new();
    scene.run(&fit("nowhere", "tiny.safetensors", &[])).refused(2, &["nowhere"]);
    std::fs::create_dir(scene.at("empty")).unwrap();
    scene.run(&fit("empty", "tiny.safetensors", &[])).refused(2, &["empty", "hint: "]);
    copy(&scene.at("photos/train/disc-smooth"), &scene.at("single/disc"));
    scene.run(&fit("single", "tiny.safetensors", &[])).refused(2, &["one class", "disc", "hint: "]);
    copy(&scene.at("photos/test/disc-smooth"), &scene.at("photos/test/unseen"));
    scene.run(&fit("photos", "tiny.safetensors", &[])).refused(2, &["unseen", "6 test rows", "hint: "]);
    assert!(!scene.at("model.heirloom").exists());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn an_empty_class_is_a_warning() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.at("photos/train/nobody")).unwrap();
    let ran = scene.ok(&fit("photos", "tiny.safetensors", &[]));
    assert!(ran.err.contains("nobody"), "{}", ran.err);
}

#[test]
fn missing_and_broken_images_are_named_counted_and_skipped() {
    let scene = Scene::new();
    let mut csv = "path,label,split\n".to_string();
    for (split, class) in
        [("train", "disc-smooth"), ("train", "star-stripes"), ("test", "disc-smooth"), ("test", "star-stripes")]
    {
        for number in 0..6 {
            csv.push_str(&format!("photos/{split}/{class}/{number:04}.png,{class},{split}\n"));
        }
    }
    csv.push_str("photos/gone.png,disc-smooth,train\n");
    std::fs::write(scene.at("labels.csv"), csv).unwrap();
    let whole = std::fs::read(scene.at("photos/train/disc-smooth/0000.png")).unwrap();
    std::fs::write(scene.at("photos/train/disc-smooth/0000.png"), &whole[..whole.len() / 2]).unwrap();
    let object = scene.ok(&fit("labels.csv", "tiny.safetensors", &["--json"])).json();
    assert_eq!(object["rows"]["skipped"], 2);
    assert_eq!(object["rows"]["train"], 11);
    let skipped = object["skipped"].to_string();
    assert!(skipped.contains("gone.png") && skipped.contains("0000.png"), "{skipped}");
    let strict = scene.run(&fit("labels.csv", "tiny.safetensors", &["--strict", "--force"]));
    assert_eq!(strict.code, 1, "{}", strict.err);
    assert!(strict.err.contains("2 rows skipped"), "{}", strict.err);
}

#[test]
fn a_model_is_not_replaced_without_being_asked() {
    let scene = Scene::new();
    std::fs::write(scene.at("model.heirloom"), "mine").unwrap();
    scene.run(&fit("photos", "tiny.safetensors", &[])).refused(2, &["already there", "--force"]);
    assert_eq!(std::fs::read(scene.at("model.heirloom")).unwrap(), b"mine");
    scene.run(&fit("photos", "tiny.safetensors", &["-o", "no/such/folder/m.heirloom"])).refused(2, &["no/such/folder"]);
    scene.run(&["predict", "model.heirloom", "photos"]).refused(2, &["model.heirloom", "hint: "]);
    scene.ok(&fit("photos", "tiny.safetensors", &["--force"]));
}

#[test]
fn weights_that_are_not_what_they_claim() {
    let scene = Scene::new();
    scene.backbone("wrong", "cifar_resnet32", |_, _| {});
    std::fs::copy(scene.at("tiny.safetensors"), scene.at("wrong.safetensors")).unwrap();
    scene.run(&fit("photos", "wrong.safetensors", &[])).refused(2, &["layer1.3.conv1.weight", "missing", "hint: "]);

    let whole = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    for length in [4, 100, whole.len() - 1000] {
        std::fs::write(scene.at("cut.safetensors"), &whole[..length]).unwrap();
        std::fs::copy(scene.at("tiny.json"), scene.at("cut.json")).unwrap();
        scene.run(&fit("photos", "cut.safetensors", &[])).refused(2, &["cut.safetensors"]);
    }

    scene.backbone("nan", "cifar_resnet20", |key, values| {
        if key.contains("layer2.0.conv1") {
            values[5] = f32::NAN;
        }
    });
    scene.run(&fit("photos", "nan.safetensors", &[])).refused(2, &["layer2.0.conv1.weight", "NaN", "not finite"]);
}

#[test]
fn a_pickle_that_would_run_code_is_refused() {
    let scene = Scene::new();
    let file = std::fs::File::create(scene.at("evil.pth")).unwrap();
    let mut archive = zip::ZipWriter::new(file);
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", plain).unwrap();
    archive.write_all(b"\x80\x02cposix\nsystem\nX\x0d\x00\x00\x00touch was-run\x85R.").unwrap();
    archive.finish().unwrap();
    std::fs::copy(scene.at("tiny.json"), scene.at("evil.json")).unwrap();
    scene.run(&fit("photos", "evil.pth", &[])).refused(2, &["refused", "posix", "system", "hint: "]);
    assert!(!scene.at("was-run").exists());
}

#[test]
fn an_unknown_layer_is_refused_with_a_way_to_find_the_right_one() {
    let scene = Scene::new();
    let ran = scene.run(&["extract", "photos", "--backbone", "tiny.safetensors", "--tap", "layer9"]);
    ran.refused(2, &["layer9", "hint: "]);
}

#[test]
fn features_beyond_the_memory_limit_are_refused_before_the_run() {
    let scene = Scene::new();
    let more = ["--method", "head2toe", "--target-sizes", "8192", "--memory", "0.001"];
    let ran = scene.run(&[&["fit", "photos", "--backbone", "tiny.safetensors"], &more[..]].concat());
    ran.refused(2, &["8192", "rows", "columns", "hint: "]);
    assert!(!scene.at("cache/features-v1").exists());
}

#[test]
fn a_cache_that_cannot_be_written() {
    let scene = Scene::new();
    std::fs::write(scene.at("file"), "").unwrap();
    // fit needs no cache: it warns and goes on. extract exists to fill it: it fails.
    let ran = scene.ok(&fit("photos", "tiny.safetensors", &["--cache", "file/cache"]));
    assert!(ran.err.contains("warning: ") && ran.err.contains("file/cache"), "{}", ran.err);
    let ran = scene.run(&["extract", "photos", "--backbone", "tiny.safetensors", "--cache", "file/cache"]);
    ran.refused(2, &["file/cache", "hint: ", "--cache"]);
}

#[test]
fn a_full_disk() {
    let scene = Scene::new();
    let disk = scene.at("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small tmpfs needs a privilege that is missing here");
        return;
    }
    let extract = ["extract", "photos", "--backbone", "tiny.safetensors", "--tap", "layer1", "--target-sizes", "4096"];
    let extracted = scene.run(&[&extract[..], &["--cache", "disk/cache"]].concat());
    let fitted = scene.run(&fit("photos", "tiny.safetensors", &["-o", "disk/model.heirloom", "--no-report"]));
    let left = common::tree(&disk);
    let unmounted = Command::new("umount").arg(&disk).output().is_ok_and(|output| output.status.success());
    assert!(unmounted);
    extracted.refused(2, &["disk/cache", "hint: "]);
    fitted.refused(2, &["disk/model.heirloom"]);
    assert!(!left.contains_key(Path::new("model.heirloom")), "no half model is left: {:?}", left.keys());
}
