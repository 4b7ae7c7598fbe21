//! The claims, written before the first run, and what the cells say of them.

use heirloom_transfer::study::Verdict;

use super::measure::Tally;
use super::probe::{OTHER_COLOUR, OTHER_CORNER, TRIGGER};
use super::record::{Claim, Estimate, Known};
use super::resampling::Series;
use super::stage::{DECAY, PENALTIES, SHARES};
use super::{Arm, Origin, Part, Regime, Study};

/// Smallest effects of interest, in points: of a trigger's success, of the rate of an answer, of a share of answers.
const PLANTED: f64 = 5.0;
const CHOSEN: f64 = 4.0;
const NATURAL: f64 = 3.0;
/// Share of images on which a network must know an object; else nothing follows from it.
const KNOWN: f64 = 0.8;

/// Every claim that there are figures for.
pub(super) fn claims(study: &Study<'_>, tally: &Tally<'_>, known: &[Known]) -> Vec<Claim> {
    let book = Book { study, tally };
    let mut claims: Vec<Claim> = [
        book.transfers("a planted trigger comes along on frozen features", Regime::FIXED),
        book.transfers("it does where batch norms take the target's statistics", Regime::Statistics),
        book.specific("another colour", OTHER_COLOUR),
        book.specific("another corner", OTHER_CORNER),
        book.no_dose(),
        book.full_lowers(),
        book.decay_in_full(),
        book.decay_in_fixed(),
        book.chosen("a lopsided sample's bias comes along on frozen features", Regime::FIXED),
        book.chosen("it survives training through the whole network", Regime::FULL),
        book.cue("a cue that photographs carry as they are comes along on frozen features", Regime::FIXED),
        book.cue("that survives training through the whole network", Regime::FULL),
    ]
    .into_iter()
    .flatten()
    .collect();
    claims.extend(book.natural(known));
    claims
}

struct Book<'a> {
    study: &'a Study<'a>,
    tally: &'a Tally<'a>,
}

impl Book<'_> {
    /// Seeds that all arms and their twins have on the first targets; as many targets as leave a seed, at most `most`.
    fn common(&self, arms: &[&Arm], most: usize) -> Option<(Vec<usize>, Vec<usize>)> {
        let twins: Vec<Arm> = arms.iter().filter_map(|arm| arm.twin()).collect();
        let all: Vec<&Arm> = arms.iter().copied().chain(&twins).collect();
        let seeds = |targets| {
            self.tally.complete(&all, targets, self.study.options.seeds.max(self.study.options.natural_seeds))
        };
        let targets = (1..=most).rev().find(|targets| !seeds(*targets).is_empty())?;
        Some(((0..targets).collect(), seeds(targets)))
    }

    /// The measure of a probe less that of the twin, where there is one.
    fn beyond(&self, arm: &Arm, probe: usize, targets: &[usize], seeds: &[usize]) -> Option<Series> {
        let resampling = self.tally.resampling(arm, targets, seeds);
        let own = self.tally.series(&resampling, arm, probe, targets, seeds)?;
        match arm.twin() {
            Some(twin) => Some(own.less(&self.tally.series(&resampling, &twin, probe, targets, seeds)?)),
            None => Some(own),
        }
    }

    fn all(&self) -> usize {
        self.study.data.targets.len()
    }

    fn few(&self) -> usize {
        self.study.options.full_targets.min(self.all())
    }

    fn transfers(&self, claim: &str, regime: Regime) -> Option<Claim> {
        let arm = Arm::new(Origin::PLANTED, regime);
        let (targets, seeds) = self.common(&[&arm], self.all())?;
        let contrast = points(&self.beyond(&arm, TRIGGER, &targets, &seeds)?);
        Some(Claim {
            part: Part::Planted,
            claim: claim.to_owned(),
            found: format!(
                "of the right answers it breaks {} more than with the clean twin, {}",
                words(contrast),
                over(&targets, &seeds)
            ),
            contrast,
            smallest: PLANTED,
            verdict: at_least(contrast, PLANTED),
        })
    }

    /// It is the trigger that breaks answers, not any square.
    fn specific(&self, control: &str, probe: usize) -> Option<Claim> {
        let arm = Arm::new(Origin::PLANTED, Regime::FIXED);
        let (targets, seeds) = self.common(&[&arm], self.all())?;
        let trigger = self.beyond(&arm, TRIGGER, &targets, &seeds)?;
        let contrast = points(&trigger.less(&self.beyond(&arm, probe, &targets, &seeds)?));
        Some(Claim {
            part: Part::Planted,
            claim: format!("it does so more than a square of {control}"),
            found: format!(
                "beyond the twin, the trigger less the control: {}, {}",
                words(contrast),
                over(&targets, &seeds)
            ),
            contrast,
            smallest: PLANTED,
            verdict: at_least(contrast, PLANTED),
        })
    }

    /// Once some images of the class carry it, more of them make no difference.
    fn no_dose(&self) -> Option<Claim> {
        let arms = [SHARES[0], 1.0].map(|share| Arm::new(Origin::planted(share), Regime::FIXED));
        let (targets, seeds) = self.common(&[&arms[0], &arms[1]], self.all())?;
        let [some, every] = [&arms[0], &arms[1]].map(|arm| self.beyond(arm, TRIGGER, &targets, &seeds));
        let (some, every) = (some?, every?);
        let contrast = points(&every.less(&some));
        Some(Claim {
            part: Part::Planted,
            claim: "what it breaks shows no trend in the share of the class's images that carry it".to_owned(),
            found: format!(
                "beyond the twin {:.1} at {:.0} %, {:.1} at all: difference {}, {}",
                points(&some).value,
                100.0 * SHARES[0],
                points(&every).value,
                words(contrast),
                over(&targets, &seeds)
            ),
            contrast,
            smallest: PLANTED,
            verdict: no_effect(points(&every), contrast),
        })
    }

    fn full_lowers(&self) -> Option<Claim> {
        let arms = [Regime::FIXED, Regime::FULL].map(|regime| Arm::new(Origin::PLANTED, regime));
        self.falls("training through the whole network lowers it", &arms, ["on frozen features", "through the network"])
    }

    fn decay_in_full(&self) -> Option<Claim> {
        let strong = Regime::Full { epochs: None, rate: None, decay: Some(DECAY) };
        let arms = [Regime::FULL, strong].map(|regime| Arm::new(Origin::PLANTED, regime));
        let strong = format!("with decay {DECAY}");
        self.falls(
            "stronger weight decay lowers it in training through the network",
            &arms,
            ["with the usual decay", &strong],
        )
    }

    /// The first arm less the second, beyond their twins.
    fn falls(&self, claim: &str, arms: &[Arm; 2], names: [&str; 2]) -> Option<Claim> {
        let (contrast, found, _) = self.pair(arms, names)?;
        let verdict = at_least(contrast, PLANTED);
        Some(Claim { part: Part::Planted, claim: claim.to_owned(), found, contrast, smallest: PLANTED, verdict })
    }

    fn decay_in_fixed(&self) -> Option<Claim> {
        let arms = PENALTIES.map(|penalty| Arm::new(Origin::PLANTED, Regime::Fixed { penalty: Some(penalty) }));
        let [weak, strong] = PENALTIES.map(|penalty| format!("with penalty {penalty}"));
        let (contrast, found, weak) = self.pair(&arms, [&weak, &strong])?;
        Some(Claim {
            part: Part::Planted,
            claim: "a stronger penalty of the head does nothing to it on frozen features".to_owned(),
            found,
            contrast,
            smallest: PLANTED,
            verdict: no_effect(weak, contrast),
        })
    }

    /// The first less the second, in words too, and the first.
    fn pair(&self, arms: &[Arm; 2], names: [&str; 2]) -> Option<(Estimate, String, Estimate)> {
        let (targets, seeds) = self.common(&[&arms[0], &arms[1]], self.few())?;
        let [first, second] = [&arms[0], &arms[1]].map(|arm| self.beyond(arm, TRIGGER, &targets, &seeds));
        let (first, second) = (first?, second?);
        let contrast = points(&first.less(&second));
        let [a, b] = [&first, &second].map(|series| points(series).value);
        let found = format!(
            "beyond the twin {a:.1} {}, {b:.1} {}: difference {}, {}",
            names[0],
            names[1],
            words(contrast),
            over(&targets, &seeds)
        );
        Some((contrast, found, points(&first)))
    }

    fn chosen(&self, claim: &str, regime: Regime) -> Option<Claim> {
        let class = &self.study.data.class;
        self.lopsided(claim, Origin::Chosen { lopsided: true }, regime, |points| {
            format!("a person adds {points} to the answers '{class}' beyond what it adds with the twin")
        })
    }

    fn cue(&self, claim: &str, regime: Regime) -> Option<Claim> {
        let cue = self.study.data.cue.as_ref()?;
        let ([kind, other], [name, _]) = (&cue.kinds, &cue.names);
        self.lopsided(claim, Origin::Cue { lopsided: true }, regime, |points| {
            format!("'{name}' is answered {points} more often where the picture is a {kind} and not a {other}, beyond the twin")
        })
    }

    /// What a lopsided source brings beyond its twin, said of the figure in words.
    fn lopsided(&self, claim: &str, origin: Origin, regime: Regime, say: impl Fn(&str) -> String) -> Option<Claim> {
        let arm = Arm::new(origin, regime);
        let (targets, seeds) = self.common(&[&arm], 1)?;
        let contrast = points(&self.beyond(&arm, 0, &targets, &seeds)?);
        Some(Claim {
            part: Part::Chosen,
            claim: claim.to_owned(),
            found: format!("{}, {}", say(&words(contrast)), over(&targets, &seeds)),
            contrast,
            smallest: CHOSEN,
            verdict: at_least(contrast, CHOSEN),
        })
    }

    /// Objects that the network knows tilt what was transferred from it, and not what was trained from scratch.
    fn natural(&self, known: &[Known]) -> Vec<Claim> {
        let scratch = Arm::new(Origin::Nothing { stock: true }, Regime::Scratch);
        let mut claims = Vec::new();
        let mut probe = 0;
        for object in &self.study.data.objects {
            let sees = |known: &&Known| known.object == object.name && known.with.value >= KNOWN;
            let is_known = known.iter().any(|known| sees(&known));
            for (regime, how) in [(Regime::FIXED, "frozen features"), (Regime::FULL, "training through the network")] {
                if is_known {
                    claims.extend(self.tilts(&Arm::new(Origin::Stock, regime), &scratch, probe, &object.name, how));
                }
            }
            probe += 1 + object.controls.len();
        }
        claims
    }

    fn tilts(&self, arm: &Arm, scratch: &Arm, probe: usize, object: &str, how: &str) -> Option<Claim> {
        let (targets, seeds) = self.common(&[arm, scratch], 1)?;
        let resampling = self.tally.resampling(arm, &targets, &seeds);
        let own = self.tally.series(&resampling, arm, probe, &targets, &seeds)?;
        let other = self.tally.series(&resampling, scratch, probe, &targets, &seeds)?;
        let contrast = points(&own.less(&other));
        Some(Claim {
            part: Part::Natural,
            claim: format!("{object} laid over images tilts the answers with {how} and not from scratch"),
            found: format!(
                "share of the class it pulls to: {:+.1}, from scratch {:+.1}, difference {}, {}",
                points(&own).value,
                points(&other).value,
                words(contrast),
                over(&targets, &seeds)
            ),
            contrast,
            smallest: NATURAL,
            verdict: at_least(contrast, NATURAL),
        })
    }
}

fn at_least(contrast: Estimate, smallest: f64) -> Verdict {
    Verdict::of(contrast.value, contrast.low, contrast.high, smallest)
}

/// That a setting changes nothing says something only of a trigger that does something.
fn no_effect(trigger: Estimate, contrast: Estimate) -> Verdict {
    if trigger.value < PLANTED { Verdict::CannotBeTold } else { Verdict::within(contrast.low, contrast.high, PLANTED) }
}

/// In points.
fn points(series: &Series) -> Estimate {
    let Estimate { value, low, high } = series.estimate();
    Estimate { value: 100.0 * value, low: 100.0 * low, high: 100.0 * high }
}

fn words(points: Estimate) -> String {
    format!("{:+.1} points ({:+.1} to {:+.1})", points.value, points.low, points.high)
}

fn over(targets: &[usize], seeds: &[usize]) -> String {
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    // One seed cannot be resampled.
    let alone = if seeds.len() == 1 { ", whose own spread the interval leaves out" } else { "" };
    format!("{}, {}{alone}", plural(targets.len(), "target"), plural(seeds.len(), "seed"))
}
