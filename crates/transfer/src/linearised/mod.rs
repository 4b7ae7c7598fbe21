//! Linearised fine-tuning: the network's logits as a linear function of its parameters, around the pretrained ones
//! (Maddox et al. 2021, arXiv 2103.01439; Mu, Liang, Li 2020, arXiv 2001.06564; `spec/head2toe.md` section 7).
//!
//! ```text
//! f(x; w0 + v) ~ f(x; w0) + J(x) v          J(x) = df/dw at w0, [classes, parameters]; batch norms with their running statistics
//! ```
//!
//! `v` minimises, over training rows `i` with a free bias `b` of the head,
//!
//! ```text
//! (1/n) sum_i -log softmax(f(x_i; w0) + J(x_i) v + b)[y_i] + (penalty m / 2) ||v||^2
//! ```
//!
//! where `m` is the mean square norm of the rows of `J`, each class's mean row taken away, so that a penalty is a pure number. The
//! cross-entropy it is, not squares of one-hot labels, because `f(x; w0)` ends in a fitted logistic head whose logits are no one-hot
//! labels; with a strong penalty the model is that head. `v` lies in the span of the rows of `J`: `v = J^T a` with one number `a` per image
//! and class, and the problem needs the kernel `K = J J^T` alone ([`Jacobian::kernel`]), in which it is convex. The fitted model is again
//! a network, with `J(x) v` computed exactly in one forward pass ([`network`]).

pub(crate) mod gram;
pub(crate) mod jacobian;
pub(crate) mod kernel;
pub(crate) mod network;
pub(crate) mod size;

pub(crate) use jacobian::{Jacobian, Stopped};

#[cfg(test)]
mod tests;
