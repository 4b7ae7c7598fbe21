//! Targets of mixup (Zhang et al. 2018): row `i` of a batch is mixed with row `partners[i]`.

use super::LossError;

/// Target shares `[rows, classes]` of `share x_i + (1 - share) x_partner`.
///
/// # Errors
/// A label that is no class, a partner that is no row, or a share outside `0 ..= 1`.
pub fn mixed_targets(labels: &[usize], partners: &[usize], share: f64, classes: usize) -> Result<Vec<f32>, LossError> {
    if !(0.0..=1.0).contains(&share) {
        return Err(LossError::Setting { setting: "share of mixup", value: share, range: "from 0 to 1" });
    }
    if partners.len() != labels.len() {
        return Err(LossError::Length { what: "partners", found: partners.len(), expected: labels.len() });
    }
    let mut targets = vec![0.0_f32; labels.len() * classes];
    for (row, (&label, &partner)) in labels.iter().zip(partners).enumerate() {
        let other = *labels.get(partner).ok_or(LossError::Partner { row, partner, rows: labels.len() })?;
        for (row_of_label, label, share) in [(row, label, share), (partner, other, 1.0 - share)] {
            if label >= classes {
                return Err(LossError::Label { row: row_of_label, label, classes });
            }
            targets[row * classes + label] += share as f32;
        }
    }
    Ok(targets)
}
