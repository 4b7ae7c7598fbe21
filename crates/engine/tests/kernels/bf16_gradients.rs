//! Training in bf16: forward and both gradients are the sums of the rounded operands on every variant, with the same bits for any
//! number of threads. The shapes are those of the `f32` gradients.

use heirloom_engine::kernels::training::{BatchStages, Bf16ConvolutionTraining, TrainingScratch};
use heirloom_engine::kernels::{Stored, StoredMut, Window};

use crate::bf16::{all_rounded, halves, variants};
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
                operator.forward(pixels, &mut found, &BatchStages::default(), &mut scratch);
                operator.weight_gradient(pixels, gradient, &mut found_weight, &mut scratch);
                operator.input_gradient(gradient, &mut found_input, None, &mut scratch);
                operator.input_gradient(gradient, &mut found_sum, Some((&second).into()), &mut scratch);
            });
            assert_sums(&found, &expected, &format!("output, {what}"));
            assert_close(&found_weight, &of_weight, &format!("weight, {what}"));
            assert_close(&found_input, &of_input, &format!("input, {what}"));
            assert_close(&found_sum, &with_second, &format!("input and another, {what}"));
            let found = [bits(&found), bits(&found_weight), bits(&found_input)];
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{threads} threads, {what}");
        }
        if let Some(first) = first {
            in_halves(&operator, [pixels, gradient, &second], &first, &what);
        }
    }
}

/// The same operands as halves give the same bits, and targets that are halves those bits rounded.
fn in_halves(
    operator: &Bf16ConvolutionTraining,
    [pixels, gradient, second]: [&[f32]; 3],
    [output, weight, input]: &[Vec<u32>; 3],
    what: &str,
) {
    let mut scratch = TrainingScratch::default();
    let (pixels, slopes, add) = (halves(pixels), halves(gradient), halves(second));
    let rounded = |bits: &[u32]| halves(&bits.iter().map(|bits| f32::from_bits(*bits)).collect::<Vec<_>>());
    let (mut found, mut found_weight) = (vec![0; output.len()], vec![f32::NAN; weight.len()]);
    operator.forward(Stored::Bf16(&pixels), StoredMut::Bf16(&mut found), &BatchStages::default(), &mut scratch);
    assert_eq!(found, rounded(output), "output in halves, {what}");
    operator.weight_gradient(Stored::Bf16(&pixels), Stored::Bf16(&slopes), &mut found_weight, &mut scratch);
    assert_eq!(&bits(&found_weight), weight, "weight from halves, {what}");
    let (mut found, mut with_second) = (vec![0; input.len()], vec![f32::NAN; input.len()]);
    operator.input_gradient(Stored::Bf16(&slopes), StoredMut::Bf16(&mut found), None, &mut scratch);
    assert_eq!(found, rounded(input), "input in halves, {what}");
    operator.input_gradient(gradient, &mut with_second, Some((&all_rounded(second)).into()), &mut scratch);
    let add = Some(Stored::Bf16(&add));
    operator.input_gradient(Stored::Bf16(&slopes), StoredMut::Bf16(&mut found), add, &mut scratch);
    assert_eq!(found, halves(&with_second), "input and another in halves, {what}");
}
