//! Claims about robustness and uncertainty (Hendrycks, Lee, Mazeika 2019).

use super::{Claimed, Judge, POINTS};
use crate::study::pretraining::record::{PretrainingClaim, Topic};
use crate::study::pretraining::view::{Certainty, Times};
use crate::study::pretraining::{Correction, Noise, Run, Start, Task};
use crate::study::rule::Rule;
use crate::training_set::area_under;

/// Points of area under the receiver operating characteristic, and of deviation of certainty from accuracy.
const AREA: f64 = 2.5;
const DEVIATION: f64 = 1.5;

/// A task with wrong labels.
fn noisy(tenths: u8, correction: Correction) -> Task {
    Task::Noise { noise: Noise::Uniform, tenths, correction }
}

impl Judge<'_> {
    pub(super) fn robustness(&self) -> Vec<PretrainingClaim> {
        let options = self.view.study.options;
        let mut claims = vec![self.noise(), self.more_under_noise(), self.flipped()];
        for tenths in &options.gold {
            claims.extend([self.corrected(*tenths), self.gold_beside_gold(*tenths)]);
        }
        for tenths in &options.exponents {
            claims.extend([self.uneven(*tenths), self.small_classes(*tenths), self.without_balance(*tenths)]);
        }
        claims.extend([self.attacked(), self.clean_of_attacked(), self.not_by_itself()]);
        claims.extend([self.strange(), self.calibrated(false), self.calibrated(true)]);
        claims.into_iter().flatten().collect()
    }

    /// Area under the error over the strengths of the study, as a share of their range, in points.
    fn area(&self, start: Start, seed: usize, times: Times<'_>) -> Option<f64> {
        let strengths = &self.view.study.options.strengths;
        let tasks = std::iter::once(Task::ALL).chain(strengths.iter().map(|tenths| noisy(*tenths, Correction::None)));
        let error = |task| Some(100.0 - self.accuracy(0, start, task, seed, times)?);
        let errors = tasks.map(error).collect::<Option<Vec<f64>>>()?;
        let at: Vec<f64> = std::iter::once(0.0).chain(strengths.iter().map(|tenths| f64::from(*tenths))).collect();
        let range = at.last().copied().filter(|range| *range > 0.0)?;
        Some(area_under(&at, &errors) / range)
    }

    fn noise(&self) -> Option<PretrainingClaim> {
        let largest = self.view.study.options.strengths.iter().max()?;
        let claim = format!(
            "with wrong labels fine-tuning errs less than training from scratch: mean error over strengths 0 to {:.1}",
            f64::from(*largest) / 10.0
        );
        self.on(Claimed::points(Topic::Noise, claim), 0, |seed, times| {
            Some(self.area(Start::Scratch, seed, times)? - self.area(Start::TUNED, seed, times)?)
        })
    }

    fn more_under_noise(&self) -> Option<PretrainingClaim> {
        let claim = "the gain with wrong labels, mean over strengths, is larger than with right ones";
        self.on(Claimed::points(Topic::Noise, claim), 0, |seed, times| {
            let gain = self.area(Start::Scratch, seed, times)? - self.area(Start::TUNED, seed, times)?;
            Some(gain - self.gap(0, Task::ALL, seed, times)?)
        })
    }

    fn flipped(&self) -> Option<PretrainingClaim> {
        let tenths = self.view.study.options.flipped;
        let task = Task::Noise { noise: Noise::Flip, tenths, correction: Correction::None };
        let claim =
            format!("with {} % of labels flipped fine-tuning beats training from scratch", 10 * u32::from(tenths));
        self.on(Claimed::points(Topic::Noise, claim), 0, |seed, times| self.gap(0, task, seed, times))
    }

    fn corrected(&self, tenths: u8) -> Option<PretrainingClaim> {
        let share = 10 * u32::from(tenths);
        let claim = format!("with {share} % of labels drawn anew the gold loss correction helps fine-tuning");
        self.on(Claimed::points(Topic::Noise, claim), 0, |seed, times| {
            let of = |correction| self.accuracy(0, Start::TUNED, noisy(tenths, correction), seed, times);
            Some(of(Correction::Gold)? - of(Correction::None)?)
        })
    }

    fn gold_beside_gold(&self, tenths: u8) -> Option<PretrainingClaim> {
        let share = 10 * u32::from(tenths);
        let claim = format!("with the correction at {share} % fine-tuning still beats training from scratch with it");
        let gold = noisy(tenths, Correction::Gold);
        self.on(Claimed::points(Topic::Noise, claim), 0, |seed, times| self.gap(0, gold, seed, times))
    }

    fn uneven(&self, tenths: u8) -> Option<PretrainingClaim> {
        let task = Task::Uneven { tenths, balanced: false };
        let claim =
            format!("with classes of uneven size (exponent {:.1}) fine-tuning errs less", f64::from(tenths) / 10.0);
        self.on(Claimed::points(Topic::Imbalance, claim), 0, |seed, times| self.gap(0, task, seed, times))
    }

    fn small_classes(&self, tenths: u8) -> Option<PretrainingClaim> {
        let task = Task::Uneven { tenths, balanced: false };
        let claim = format!("and on the small classes (exponent {:.1})", f64::from(tenths) / 10.0);
        self.on(Claimed::points(Topic::Imbalance, claim), 0, |seed, times| {
            let of = |start| self.view.small_classes(&Run::new(0, start, task, seed), times);
            Some(100.0 * (of(Start::Scratch)? - of(Start::TUNED)?))
        })
    }

    fn without_balance(&self, tenths: u8) -> Option<PretrainingClaim> {
        let task = |balanced| Task::Uneven { tenths, balanced };
        let claim = format!(
            "fine-tuning without any balancing beats training from scratch with a balanced loss (exponent {:.1})",
            f64::from(tenths) / 10.0
        );
        self.on(Claimed::points(Topic::Imbalance, claim), 0, |seed, times| {
            let tuned = self.accuracy(0, Start::TUNED, task(false), seed, times)?;
            Some(tuned - self.accuracy(0, Start::Scratch, task(true), seed, times)?)
        })
    }

    /// Accuracy under attack, in points.
    fn under(&self, start: Start, task: Task, side: usize, seed: usize, times: Times<'_>) -> Option<f64> {
        Some(100.0 * self.view.under_attack(&Run::new(0, start, task, seed), times)?[side])
    }

    fn attacked(&self) -> Option<PretrainingClaim> {
        let claim = "trained against attacks, fine-tuning withstands them better than training from scratch";
        self.on(Claimed::points(Topic::Adversarial, claim), 0, |seed, times| {
            let of = |start| self.under(start, Task::Adversarial, 1, seed, times);
            Some(of(Start::TUNED)? - of(Start::Scratch)?)
        })
    }

    fn clean_of_attacked(&self) -> Option<PretrainingClaim> {
        let claim = "and it answers images as they are no worse";
        let claimed = Claimed { rule: Rule::NotBelow(POINTS), ..Claimed::points(Topic::Adversarial, claim) };
        self.on(claimed, 0, |seed, times| self.gap(0, Task::Adversarial, seed, times))
    }

    fn not_by_itself(&self) -> Option<PretrainingClaim> {
        let claim =
            "fine-tuning as usual does not make a network robust: training against attacks adds to accuracy under them";
        self.on(Claimed::points(Topic::Adversarial, claim), 0, |seed, times| {
            let of = |task| self.under(Start::TUNED, task, 1, seed, times);
            Some(of(Task::Adversarial)? - of(Task::ALL)?)
        })
    }

    fn strange(&self) -> Option<PretrainingClaim> {
        let sets = self.view.strange_sets();
        let area = |start, seed, times: Times<'_>| {
            let run = Run::new(0, start, Task::ALL, seed);
            let of = |set: &String| Some(self.view.told(&run, set, Certainty::MaximumProbability, times)?.area);
            let areas = sets.iter().map(of).collect::<Option<Vec<f64>>>()?;
            (!areas.is_empty()).then(|| 100.0 * areas.iter().sum::<f64>() / areas.len() as f64)
        };
        let claim = "fine-tuned networks tell images of no class better by the probability of their answer, mean area over the sets";
        let claimed = Claimed { rule: Rule::AtLeast(AREA), ..Claimed::points(Topic::Strange, claim) };
        self.on(claimed, 0, |seed, times| Some(area(Start::TUNED, seed, times)? - area(Start::Scratch, seed, times)?))
    }

    fn calibrated(&self, tempered: bool) -> Option<PretrainingClaim> {
        let temperature = |start| if tempered { self.view.temperature(start) } else { Some(1.0) };
        let (tuned, scratch) = (temperature(Start::TUNED)?, temperature(Start::Scratch)?);
        let claim = if tempered {
            "the same after each has its temperature: a gain that temperature alone does not give"
        } else {
            "certainty of fine-tuned networks deviates less from their accuracy"
        };
        let claimed = Claimed { rule: Rule::AtLeast(DEVIATION), ..Claimed::points(Topic::Calibration, claim) };
        self.on(claimed, 0, |seed, times| {
            let of = |start, temperature| {
                let run = Run::new(0, start, Task::ALL, seed);
                Some(100.0 * self.view.calibration(&run, temperature, times)?.adaptive_error)
            };
            Some(of(Start::Scratch, scratch)? - of(Start::TUNED, tuned)?)
        })
    }
}
