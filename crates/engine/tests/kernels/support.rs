//! Random values, reference convolution and comparison shared by the kernel tests.

use heirloom_engine::kernels::Window;

/// A small counter-based generator: values depend on the seed and the index alone.
pub fn value(seed: u64, index: usize) -> f32 {
    let mut x = (seed << 32 ^ index as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    (x >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

/// `len` values in -1..1.
pub fn values(seed: u64, len: usize) -> Vec<f32> {
    (0..len).map(|index| value(seed, index)).collect()
}

/// A number in `low..=high`.
pub fn number(seed: u64, index: usize, low: usize, high: usize) -> usize {
    low + ((f64::from(value(seed, index)) + 1.0) / 2.0 * (high - low + 1) as f64) as usize
}

/// A sum in f64 and the sum of its terms' sizes.
#[derive(Clone, Copy, Default)]
pub struct Sum {
    pub value: f64,
    pub size: f64,
}

impl Sum {
    pub fn add(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value += product;
        self.size += product.abs();
    }
}

/// Convolution of an NHWC batch with weights `[output, input / groups, height, width]`.
pub fn convolution(
    window: &Window,
    input: &[f32],
    channels: usize,
    weight: &[f32],
    output: usize,
    groups: usize,
) -> Vec<Sum> {
    let [height, width] = window.input;
    let (group_input, group_output) = (channels / groups, output / groups);
    let images = input.len() / (height * width * channels);
    let mut sums = Vec::new();
    for image in 0..images {
        for y in 0..window.output[0] {
            for x in 0..window.output[1] {
                for n in 0..output {
                    let mut sum = Sum::default();
                    for ky in 0..window.kernel[0] {
                        for kx in 0..window.kernel[1] {
                            let iy =
                                (y * window.stride[0] + ky * window.dilation[0]) as isize - window.before[0] as isize;
                            let ix =
                                (x * window.stride[1] + kx * window.dilation[1]) as isize - window.before[1] as isize;
                            if iy < 0 || ix < 0 || iy >= height as isize || ix >= width as isize {
                                continue;
                            }
                            let pixel = (image * height + iy as usize) * width + ix as usize;
                            for c in 0..group_input {
                                let w = ((n * group_input + c) * window.kernel[0] + ky) * window.kernel[1] + kx;
                                sum.add(input[pixel * channels + n / group_output * group_input + c], weight[w]);
                            }
                        }
                    }
                    sums.push(sum);
                }
            }
        }
    }
    sums
}

/// Panics where a value is off by more than 1e-5 of its terms' sizes.
pub fn assert_sums(found: &[f32], expected: &[Sum], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, sum)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - sum.value).abs();
        assert!(error <= 1e-5 * sum.size + 1e-30, "{what}: [{index}] {found} instead of {}", sum.value);
    }
}

/// Panics where a value is off by more than `tolerance` of the larger of itself and `floor`.
pub fn assert_near(found: &[f32], expected: &[f64], tolerance: f64, floor: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= tolerance * expected.abs().max(floor), "{what}: [{index}] {found} instead of {expected}");
    }
}

/// The bits of values, to compare exactly.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
