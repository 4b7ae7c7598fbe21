//! Training in bf16: forward and both gradients are the sums of the rounded operands on every variant, with the same bits for any
//! number of threads. The shapes are those of the `f32` gradients.

use heirloom_engine::kernels::training::{Bf16ConvolutionTraining, TrainingScratch};
use heirloom_engine::kernels::{RowsMut, Stage, Window};

use crate::bf16::{all_rounded, variants};
use crate::gradients::{Case, assert_close, plain, pool};
use crate::support::{assert_sums, bits, convolution, values};

/// Checks a case; the operands are pixels, weight and the output's gradient.
pub fn check(case: &Case, window: &Window, [pixels, weight, gradient]: [&[f32]; 3]) {
    let [input, output] = case.channels;
    let [near_pixels, near_weight, near_gradient] = [pixels, weight, gradient].map(all_rounded);
    let (of_weight, of_input) = plain(case, window, &near_pixels, &near_weight, &near_gradient);
    let expected = convolution(window, &near_pixels, input, &near_weight, output, case.groups);
    let second = values(99, pixels.len());
    let with_second: Vec<f64> = of_input.iter().zip(&second).map(|(a, b)| a + f64::from(*b)).collect();
    for isa in variants() {
        let what = format!("{isa} {}x{:?} {:?} groups {}", case.images, case.channels, window, case.groups);
        let mut operator = Bf16ConvolutionTraining::new(isa, *window, output, input, case.groups);
        operator.pack(&values(98, weight.len()), true);
        operator.pack(weight, true);
        let mut scratch = TrainingScratch::default();
        let mut first: Option<[Vec<u32>; 3]> = None;
        for threads in [1, 2, 3] {
            let mut found = vec![f32::NAN; gradient.len()];
            let mut found_weight = vec![f32::NAN; weight.len()];
            let [mut found_input, mut found_sum] = [vec![f32::NAN; pixels.len()], vec![f32::NAN; pixels.len()]];
            pool(threads).install(|| {
                operator.forward(
                    pixels,
                    RowsMut::new(&mut found, output),
                    vec![Stage::Scale(&vec![1.0; output])],
                    &mut scratch,
                );
                operator.weight_gradient(pixels, gradient, &mut found_weight, &mut scratch);
                operator.input_gradient(gradient, &mut found_input, None, &mut scratch);
                operator.input_gradient(gradient, &mut found_sum, Some(&second), &mut scratch);
            });
            assert_sums(&found, &expected, &format!("output, {what}"));
            assert_close(&found_weight, &of_weight, &format!("weight, {what}"));
            assert_close(&found_input, &of_input, &format!("input, {what}"));
            assert_close(&found_sum, &with_second, &format!("input and another, {what}"));
            let found = [bits(&found), bits(&found_weight), bits(&found_input)];
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{threads} threads, {what}");
        }
    }
}
