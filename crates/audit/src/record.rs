//! A whole audit: everything that was looked for, and the findings in their order. The terminal, the JSON and the page show this
//! record; none of them computes a figure of its own.

use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use crate::halves::FEWEST;
use crate::triggers::mean;
use crate::{
    AuditError, Battery, ClusterMeasures, Difference, DonorMeasures, GroupMeasures, Grouped, Halves, PlaceMeasures,
    ScanMeasures, Subject, TriggerMeasures, clusters, donors, places, scan, triggers,
};

/// From this on an effect stands out, if the lower end of its interval reaches it: ten points.
pub const SMALLEST: f64 = 0.10;

/// Groups of the images by a column of their table.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupColumn {
    /// Name of the column.
    pub column: String,
    /// Its values.
    pub values: Vec<String>,
    /// Index of each image's value.
    pub of_image: Vec<usize>,
}

/// What was measured over a column's groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAudit {
    /// Name of the column.
    pub column: String,
    /// Its values.
    pub values: Vec<String>,
    /// The measures.
    pub measures: GroupMeasures,
}

/// What kind of dependence a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A known trigger breaks more answers than its controls.
    Trigger,
    /// A square that the scan found breaks more answers than other colours at its place.
    Scan,
    /// Hiding the corners, or the edges, breaks more answers than hiding other places.
    Place,
    /// A piece of another class's image draws answers to that class.
    Donor,
    /// One group is answered right more often than another.
    GroupGap,
    /// A group changes how often a class is answered.
    RateGap,
    /// Images of a class that look alike go wrong more often than the rest.
    Cluster,
}

/// How much a finding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval lies at or above [`SMALLEST`], for a trigger over the strongest of its controls, too; between groups, which
    /// nobody chose because they looked strong, the figure itself does, and the interval leaves out zero; of what the scan found the
    /// score reaches its threshold and that of every reference.
    StandsOut,
    /// There is an effect, and it may be smaller than [`SMALLEST`], or a control comes close.
    Slight,
    /// Nothing beyond what the controls show.
    Nothing,
}

/// One thing that was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// Its place in the list of its kind.
    pub at: usize,
    /// What it is, in a few words.
    pub what: String,
    /// How much, beyond its control, with the interval adjusted for all of its kind.
    pub effect: Difference,
    /// The figure before its control was subtracted.
    pub figure: f64,
    /// The figure of the control.
    pub control: f64,
    /// Comparisons that the interval is adjusted for.
    pub comparisons: usize,
    /// How much it says.
    pub verdict: Verdict,
}

/// A whole audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Names of the model's classes.
    pub classes: Vec<String>,
    /// Images judged.
    pub images: usize,
    /// Images that candidates were screened on.
    pub screening: usize,
    /// Images that the strongest were reported on.
    pub reported: usize,
    /// Share of all images that are answered right.
    pub accuracy: Share,
    /// Known triggers.
    pub triggers: TriggerMeasures,
    /// Hidden places.
    pub places: PlaceMeasures,
    /// Pieces of other classes' images.
    pub donors: DonorMeasures,
    /// The scan for unknown triggers, where it was asked for.
    pub scan: Option<ScanMeasures>,
    /// Groups of a column, where one was named.
    pub groups: Option<GroupAudit>,
    /// Clusters within classes, where no column was named.
    pub clusters: Option<ClusterMeasures>,
    /// Everything judged, what stands out first, then by effect.
    pub findings: Vec<Finding>,
}

impl AuditRecord {
    /// Looks for everything in `battery`.
    ///
    /// # Errors
    /// Too few images, a model that cannot answer or is never right, or the flag to stop.
    pub fn of(
        subject: &Subject<'_>,
        battery: &Battery,
        column: Option<&GroupColumn>,
        references: &[Subject<'_>],
        options: &ExtractOptions,
    ) -> Result<Self, AuditError> {
        let images = subject.labels.len();
        if images < 2 * FEWEST {
            return Err(AuditError::TooFew { images, needed: 2 * FEWEST });
        }
        let halves = Halves::draw(subject.labels, battery.screening, battery.reported, subject.seed);
        let right = (0..images).filter(|image| subject.is_right(*image)).count();
        let groups = column.map(|column| GroupAudit::of(subject, column)).transpose()?;
        let clusters = if column.is_none() { Some(clusters(subject, options)?) } else { None };
        let mut record = Self {
            classes: subject.classes().to_vec(),
            images,
            screening: halves.screening.len(),
            reported: halves.reported.len(),
            accuracy: Share::of(right, images),
            triggers: triggers(subject, battery, &halves, references)?,
            places: places(subject, battery.grid, &halves)?,
            donors: donors(subject, battery, &halves)?,
            groups,
            clusters,
            scan: None,
            findings: Vec::new(),
        };
        // Last: what is found until it is stopped is kept.
        let scanned = battery.scan.as_ref().map(|options| scan(subject, options, &halves, references));
        record.scan = scanned.transpose()?;
        record.findings = record.found();
        Ok(record)
    }

    /// Findings that stand out.
    pub fn standing_out(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::StandsOut)
    }

    fn found(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            self.found_triggers().chain(self.found_donors()).chain(self.found_places()).collect();
        findings.extend(self.scan.iter().flat_map(ScanMeasures::findings));
        findings.extend(self.groups.iter().flat_map(|groups| groups.found(&self.classes)));
        findings.extend(self.clusters.iter().flat_map(|clusters| self.found_clusters(clusters)));
        findings.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(b.effect.value.total_cmp(&a.effect.value)));
        findings
    }

    fn found_triggers(&self) -> impl Iterator<Item = Finding> {
        self.triggers.reported.iter().enumerate().map(|(at, trigger)| {
            let explained =
                trigger.over_strongest.low < SMALLEST || trigger.over_references.is_some_and(|over| over.low <= 0.0);
            let figure = trigger.attack.success.map_or(0.0, |success| success.value);
            Finding {
                kind: FindingKind::Trigger,
                at,
                what: trigger.what.clone(),
                effect: trigger.excess,
                figure,
                control: figure - trigger.excess.value,
                comparisons: self.triggers.level.comparisons,
                verdict: verdict(trigger.excess.low, explained),
            }
        })
    }

    fn found_donors(&self) -> impl Iterator<Item = Finding> {
        self.donors.reported.iter().enumerate().map(|(at, donor)| Finding {
            kind: FindingKind::Donor,
            at,
            what: format!("a piece of an image of {}", name(&self.classes, donor.class)),
            effect: donor.figure,
            figure: donor.drawn,
            control: donor.control,
            comparisons: self.donors.level.comparisons,
            // A piece of any class draws a little; one stands out beyond what is usual for this model.
            verdict: verdict(donor.figure.low - donor.typical.max(0.0), false),
        })
    }

    fn found_places(&self) -> impl Iterator<Item = Finding> {
        let places = [("the four corners", self.places.corners), ("the edges", self.places.edges)];
        places.into_iter().enumerate().filter_map(|(at, (what, difference))| {
            let effect = difference?;
            let (figure, control) = self.places.means(at == 0);
            Some(Finding {
                kind: FindingKind::Place,
                at,
                what: what.to_owned(),
                effect,
                figure,
                control,
                comparisons: self.places.level.comparisons,
                verdict: verdict(effect.low, false),
            })
        })
    }

    fn found_clusters(&self, clusters: &ClusterMeasures) -> Vec<Finding> {
        let share = |[images, wrong]: [usize; 2]| wrong as f64 / images.max(1) as f64;
        let finding = |(at, cluster): (usize, &crate::ClusterRecord)| Finding {
            kind: FindingKind::Cluster,
            at,
            what: format!("images of {} that look alike", name(&self.classes, cluster.class)),
            effect: cluster.excess,
            figure: share(cluster.inside),
            control: share(cluster.outside),
            comparisons: clusters.level.comparisons,
            verdict: verdict(cluster.excess.low, false),
        };
        clusters.clusters.iter().enumerate().map(finding).collect()
    }
}

impl GroupAudit {
    fn of(subject: &Subject<'_>, column: &GroupColumn) -> Result<Self, AuditError> {
        let measures = GroupMeasures::of(Grouped {
            labels: subject.labels,
            answers: &subject.clean,
            groups: &column.of_image,
            classes: subject.classes().len(),
            count: column.values.len(),
        })?;
        Ok(Self { column: column.column.clone(), values: column.values.clone(), measures })
    }

    fn found(&self, classes: &[String]) -> Vec<Finding> {
        let comparisons = self.measures.level.comparisons;
        let gap = self.measures.gap.map(|gap| {
            let accuracy = |group: usize| self.measures.groups[group].accuracy.unwrap_or(0.0);
            Finding {
                kind: FindingKind::GroupGap,
                at: 0,
                what: format!(
                    "{} = {} against {}",
                    self.column,
                    name(&self.values, gap.worst),
                    name(&self.values, gap.best)
                ),
                effect: gap.gap,
                figure: accuracy(gap.best),
                control: accuracy(gap.worst),
                comparisons,
                verdict: of_groups(gap.gap),
            }
        });
        // Of two groups, the second only mirrors the first.
        let sides = if self.values.len() == 2 { 1 } else { self.values.len() };
        let rates = self.measures.groups.iter().take(sides).filter_map(|group| {
            let rate = group.rate_gap?;
            let effect = magnitude(rate.rate);
            Some(Finding {
                kind: FindingKind::RateGap,
                at: group.group,
                what: format!(
                    "'{}' is answered {} often where {} = {}",
                    name(classes, rate.class),
                    if rate.rate.value >= 0.0 { "more" } else { "less" },
                    self.column,
                    name(&self.values, group.group)
                ),
                effect,
                figure: rate.rates[0],
                control: rate.rates[1],
                comparisons,
                verdict: of_groups(effect),
            })
        });
        gap.into_iter().chain(rates).collect()
    }
}

impl ScanMeasures {
    /// The square with the largest excess stands for the scan: the others were searched for the same thing.
    fn findings(&self) -> Option<Finding> {
        let best = self.found.first()?;
        let figure = best.attack.success.map_or(0.0, |success| success.value);
        Some(Finding {
            kind: FindingKind::Scan,
            at: 0,
            what: best.describe(self.size),
            effect: best.excess,
            figure,
            control: figure - best.excess.value,
            comparisons: self.level.comparisons,
            verdict: if self.stands_out() { Verdict::StandsOut } else { Verdict::Nothing },
        })
    }
}

impl PlaceMeasures {
    /// Mean success at the corners (or edges), and at all other places.
    #[must_use]
    pub fn means(&self, corners: bool) -> (f64, f64) {
        let last = self.grid.saturating_sub(1);
        let at_end = |step: usize| step == 0 || step == last;
        let chosen = |place: usize| {
            let (row, column) = (at_end(place / self.grid.max(1)), at_end(place % self.grid.max(1)));
            if corners { row && column } else { row || column }
        };
        let mean_of = |inside: bool| {
            let places = self.success.iter().enumerate().filter(|(place, _)| chosen(*place) == inside);
            mean(&places.map(|(_, share)| share.value).collect::<Vec<_>>())
        };
        (mean_of(true), mean_of(false))
    }
}

fn verdict(low: f64, explained: bool) -> Verdict {
    match low {
        low if low >= SMALLEST && !explained => Verdict::StandsOut,
        low if low > 0.0 => Verdict::Slight,
        _ => Verdict::Nothing,
    }
}

/// The groups were named before anything was seen: what is found between them need not be held against what was searched for.
fn of_groups(effect: Difference) -> Verdict {
    match verdict(effect.low, false) {
        Verdict::Slight if effect.value >= SMALLEST => Verdict::StandsOut,
        other => other,
    }
}

/// A difference without its sign.
fn magnitude(difference: Difference) -> Difference {
    if difference.value >= 0.0 {
        return difference;
    }
    Difference { value: -difference.value, low: -difference.high, high: -difference.low }
}

fn name(names: &[String], at: usize) -> &str {
    names.get(at).map_or("?", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_stands_out_where_its_whole_interval_does_and_no_control_explains_it() {
        let cases = [
            (0.11, false, Verdict::StandsOut),
            (0.11, true, Verdict::Slight),
            (0.09, false, Verdict::Slight),
            (0.0, false, Verdict::Nothing),
            (-0.2, true, Verdict::Nothing),
        ];
        for (low, explained, expected) in cases {
            assert_eq!(verdict(low, explained), expected, "{low} {explained}");
        }
        assert!(Verdict::StandsOut < Verdict::Slight && Verdict::Slight < Verdict::Nothing);
    }

    #[test]
    fn a_gap_between_named_groups_stands_out_where_it_is_large_and_there() {
        let cases = [
            (0.20, 0.08, Verdict::StandsOut),
            (0.09, 0.05, Verdict::Slight),
            (0.30, -0.01, Verdict::Nothing),
            (0.30, 0.0, Verdict::Nothing),
        ];
        for (value, low, expected) in cases {
            assert_eq!(of_groups(Difference { value, low, high: 0.4 }), expected, "{value} {low}");
        }
    }

    #[test]
    fn a_difference_without_its_sign_keeps_its_interval() {
        let turned = magnitude(Difference { value: -0.3, low: -0.5, high: -0.1 });
        assert_eq!(turned, Difference { value: 0.3, low: 0.1, high: 0.5 });
    }

    #[test]
    fn corners_and_edges_are_told_from_the_rest() {
        let success: Vec<Share> = (0..9).map(|place| Share::of(usize::from(place % 2 == 0), 1)).collect();
        let places = PlaceMeasures { grid: 3, success, corners: None, edges: None, level: crate::Level::of(2) };
        // Corners and the middle are 1, the others 0.
        assert_eq!((places.means(true), places.means(false)), ((1.0, 0.2), (0.5, 1.0)));
    }
}
