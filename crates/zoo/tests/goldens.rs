//! Every real weight file against the outputs that were stored for it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{channels_last, relative_error, run, run_on, stored, weights_folder};
use heirloom_engine::{Isa, Pixels};

/// Backbone, its input among the golden inputs, and which of its vectors each golden output holds.
struct Case {
    name: &'static str,
    input: &'static str,
    outputs: &'static [(&'static str, &'static str)],
}

const LOGITS_AND_FEATURES: &[(&str, &str)] = &[("", "logits"), (".features", "pre_logits")];

const CASES: &[Case] = &[
    Case { name: "cifar10_resnet20", input: "cifar_32", outputs: &[("", "logits")] },
    Case { name: "cifar10_resnet32", input: "cifar_32", outputs: &[("", "logits")] },
    Case { name: "cifar10_resnet56", input: "cifar_32", outputs: &[("", "logits")] },
    Case { name: "deit_tiny_patch16_224", input: "imagenet_224", outputs: LOGITS_AND_FEATURES },
    Case { name: "mobilenetv1_0.25_128", input: "pm1_128", outputs: &[("", "logits")] },
    Case { name: "mobilenetv2_1.0", input: "imagenet_224", outputs: LOGITS_AND_FEATURES },
    Case { name: "mobilenetv2_1.0_gluon_bn", input: "imagenet_224", outputs: &[("", "pre_logits")] },
    Case { name: "resnet18_to_layer3", input: "imagenet_224", outputs: &[("", "pre_logits")] },
    Case { name: "squeezenet1_1", input: "imagenet_224", outputs: LOGITS_AND_FEATURES },
];

#[test]
fn every_weight_file_gives_its_golden_outputs() {
    let Some(folder) = weights_folder() else { return };
    let inputs = stored(&folder.join("golden_inputs.safetensors"));
    let outputs = stored(&folder.join("golden_outputs.safetensors"));
    let mut checked = 0;
    for case in CASES {
        let backbone = heirloom_zoo::open_path(&folder.join(format!("{}.safetensors", case.name))).unwrap();
        let taps: Vec<&str> = case.outputs.iter().map(|(_, tap)| *tap).collect();
        let size = backbone.preprocess.input_size;
        let image = channels_last(&inputs[case.input]);
        let values = run(&backbone.graph, &backbone.weights, size, &image, 1, &taps);
        for ((suffix, tap), values) in case.outputs.iter().zip(&values) {
            let golden = &outputs[&format!("{}{suffix}", case.name)];
            let error = relative_error(values, &golden.values);
            println!("{} {tap}: {error:.2e}", case.name);
            assert!(error <= 1e-4, "{} {tap}: {error:.2e}", case.name);
            checked += 1;
        }
    }
    assert_eq!(checked, outputs.len(), "every golden output is compared");
}

/// Networks of three kinds of convolution, quick enough for the portable kernels.
#[test]
fn every_instruction_set_gives_the_golden_outputs() {
    let Some(folder) = weights_folder() else { return };
    let inputs = stored(&folder.join("golden_inputs.safetensors"));
    let outputs = stored(&folder.join("golden_outputs.safetensors"));
    let small = ["cifar10_resnet20", "mobilenetv1_0.25_128", "squeezenet1_1"];
    for case in CASES.iter().filter(|case| small.contains(&case.name)) {
        let backbone = heirloom_zoo::open_path(&folder.join(format!("{}.safetensors", case.name))).unwrap();
        let (size, image) = (backbone.preprocess.input_size, channels_last(&inputs[case.input]));
        for isa in Isa::available() {
            let pixels = Pixels::Normalized(&image);
            let values = run_on(isa, &backbone.graph, &backbone.weights, size, pixels, 1, &["logits"]);
            let error = relative_error(&values[0], &outputs[case.name].values);
            println!("{} {isa:?}: {error:.2e}", case.name);
            assert!(error <= 1e-4, "{} {isa:?}: {error:.2e}", case.name);
        }
    }
}

/// Two networks have outputs of the original float models; one classifier was dequantised from int8, hence its looser bound.
#[test]
fn outputs_made_upstream_are_reproduced() {
    let Some(folder) = weights_folder() else { return };
    for (name, bound) in [("squeezenet1_1", 1e-4), ("mobilenetv2_1.0", 5e-3)] {
        let backbone = heirloom_zoo::open_path(&folder.join(format!("{name}.safetensors"))).unwrap();
        let golden = stored(&folder.join(format!("{name}.upstream_golden.safetensors")));
        let size = backbone.preprocess.input_size;
        let image = channels_last(&golden["input"]);
        let values = run(&backbone.graph, &backbone.weights, size, &image, 1, &["logits"]);
        let error = relative_error(&values[0], &golden["output"].values);
        println!("{name}: {error:.2e}");
        assert!(error <= bound, "{name}: {error:.2e}");
    }
}
