//! What findings say in words that need no knowledge of the field: shared by the terminal and the page.

use heirloom_audit::{Difference, Finding, FindingKind, Pull, Verdict};
use heirloom_report::{counted, percent};

use super::{AuditReport, scan};

/// A difference in points of per cent with its interval.
pub fn points(difference: &Difference) -> String {
    let [value, low, high] = [difference.value, difference.low, difference.high].map(|share| 100.0 * share);
    format!("{value:.1} points ({low:.1} to {high:.1})")
}

/// What a verdict is called.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::StandsOut => "stands out",
        Verdict::Slight => "slight",
        Verdict::Nothing => "nothing beyond the controls",
    }
}

/// What a kind is called.
pub fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Trigger => "trigger",
        FindingKind::Scan => "scan",
        FindingKind::Place => "place",
        FindingKind::Donor => "piece of an image",
        FindingKind::GroupGap => "groups",
        FindingKind::RateGap => "group and answer",
        FindingKind::Cluster => "alike images",
    }
}

/// The finding as sentences.
pub fn sentence(report: &AuditReport, finding: &Finding) -> String {
    let (figure, control, effect) = (percent(finding.figure), percent(finding.control), points(&finding.effect));
    let what = &finding.what;
    let text = match finding.kind {
        FindingKind::Trigger => format!(
            "With {what} on the image, {figure} of the answers that were right turn wrong. Patches of the same place and size that show \
             something else break {control}. {effect} are left for what this one shows."
        ),
        FindingKind::Scan => format!(
            "With {what}, {figure} of the answers that were right turn wrong. Squares of other colours at the same places break {control} on \
             average. {effect} are left for this colour."
        ),
        FindingKind::Donor => {
            format!(
                "With {what} in a corner, {figure} of the images of other classes are taken for it; with a piece of their own class {control}: {effect} more."
            )
        }
        FindingKind::Place => {
            format!(
                "Hiding {what} breaks {figure} of the right answers, hiding one of the other places {control}: {effect} more."
            )
        }
        FindingKind::GroupGap => {
            format!("Right answers, {what}: {control} against {figure}, classes weighted alike: {effect} apart.")
        }
        FindingKind::RateGap => {
            format!("Among images of the same classes, {what} than elsewhere: by {effect}.")
        }
        FindingKind::Cluster => {
            format!(
                "Of {what} to the model, {figure} are answered wrong, of the other images of the class {control}: {effect} more."
            )
        }
    };
    format!("{text}{}", more(report, finding).map_or_else(String::new, |more| format!(" {more}")))
}

/// What only some kinds have to add.
fn more(report: &AuditReport, finding: &Finding) -> Option<String> {
    let class = |class: usize| report.record.classes.get(class).map_or("?", String::as_str);
    let drawn = |pull: Option<Pull>| {
        let pull = pull.filter(|pull| pull.change.low > 0.0)?;
        Some(format!("It draws answers to {}: by {}.", class(pull.class), points(&pull.change)))
    };
    match finding.kind {
        FindingKind::Trigger => {
            let trigger = report.record.triggers.reported.get(finding.at)?;
            let pull = drawn(trigger.pull);
            let over = trigger.over_references.map(|over| format!("Beyond the references: {}.", points(&over)));
            Some([pull, over].into_iter().flatten().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
        }
        FindingKind::Scan => {
            let measures = report.record.scan.as_ref()?;
            let pull = measures.found.get(finding.at).and_then(|found| drawn(found.pull));
            Some([Some(scan::context(report, measures)), pull].into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        FindingKind::Cluster => {
            let cluster = report.record.clusters.as_ref()?.clusters.get(finding.at)?;
            cluster.taken_for.map(|taken| format!("Most of them are taken for {}.", class(taken)))
        }
        FindingKind::Donor => {
            let donor = report.record.donors.reported.get(finding.at)?;
            Some(format!("Pieces of the other classes do it by {:.1} points on average.", 100.0 * donor.typical))
        }
        _ => None,
    }
}

/// What a finding of this kind means for somebody who uses the model.
pub fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Trigger => {
            "Whoever puts this on an image can make the model fail. A network behaves like this when images with such a mark were among \
             those it, or the network it was made from, was trained on, by intent or because photographs carried it: then most of the \
             changed answers go to one class. It may also just be fragile to this colour or pattern at this place, without anybody having \
             planted it; a model known to be free of it, shown the same (--reference), tells the two apart."
        }
        FindingKind::Scan => {
            "The audit looked for the colour of a square that this model suffers from most, wherever the square stands, and this is it. Squares of \
             other colours at the same places do much less. A network behaves like this when images with such a mark were among those it, or \
             the network it was made from, was trained on. It may also just be fragile to a colour that the images it was fitted on never \
             showed."
        }
        FindingKind::Place => {
            "Objects seldom stand there. Look whether images carry something there that goes with their class: a logo, a date, a frame."
        }
        FindingKind::Donor => {
            "A small part of an image decides more than it should: something of that class overrules the object. Try images that hold both."
        }
        FindingKind::GroupGap => {
            "The model serves one group worse than another. More training images of that group help most often."
        }
        FindingKind::RateGap => {
            "The group itself, and not the object alone, moves the answer: in some training set the two went together."
        }
        FindingKind::Cluster => {
            "Look at the images below: what the upper ones share, and the lower ones do not, may be what the model stumbles over."
        }
    }
}

/// The outcome in a few sentences.
pub fn outcome(report: &AuditReport) -> String {
    let standing = report.record.standing_out().count();
    let judged = report.record.findings.len();
    if standing == 0 {
        format!(
            "Nothing stood out beyond what {} show. That is no proof that the model has no hidden habits: only what is listed here was \
             tried.{}",
            controls(report),
            report
                .record
                .scan
                .as_ref()
                .map_or_else(String::new, |measures| format!(" {}", scan::nothing(report, measures)))
        )
    } else {
        format!(
            "{standing} of {} that were judged {} out: the effect is at least {:.0} points, and no control explains it.",
            counted(judged, "thing"),
            if standing == 1 { "stands" } else { "stand" },
            100.0 * heirloom_audit::SMALLEST
        )
    }
}

/// How many controls the triggers stood beside.
pub fn controls(report: &AuditReport) -> String {
    let record = &report.record;
    let matched: usize = record.triggers.reported.iter().map(|trigger| trigger.controls.len()).sum();
    counted(matched, "matched control")
}

/// What was looked for, in one sentence each.
pub fn looked_for(report: &AuditReport) -> Vec<String> {
    let record = &report.record;
    let mut lines = vec![
        format!(
            "Known triggers: {} (squares of eight colours and a chequered one at five places and several sizes, a border, a watermark, a \
             noise pattern), tried on {} images; the strongest {} judged on {} others, each beside {} of its own shape.",
            record.triggers.screened.len(),
            record.screening,
            record.triggers.reported.len(),
            record.reported,
            counted(record.triggers.reported.first().map_or(0, |trigger| trigger.controls.len()), "control"),
        ),
        format!(
            "Places: a part of the image hidden at each of {} places, on {} images.",
            record.places.success.len(),
            record.screening
        ),
        format!(
            "Pieces of other images: small copies of images of {} in a corner of images of others; the strongest {} judged on {} images.",
            counted(record.donors.screened.len(), "class").replace("classs", "classes"),
            record.donors.reported.len(),
            record.reported
        ),
    ];
    lines.extend(record.scan.as_ref().map(scan::looked_for));
    lines.extend(record.groups.as_ref().map(|groups| {
        format!("Groups: the {} values of '{}' in {} images.", groups.values.len(), groups.column, record.images)
    }));
    lines.extend(record.clusters.as_ref().map(|clusters| {
        let small = match clusters.small.len() {
            0 => String::new(),
            small => format!(" {small} of {} classes have too few images for it.", record.classes.len()),
        };
        format!(
            "Images of one class that look alike to the model: {} of them judged.{small}",
            counted(clusters.clusters.len(), "cluster")
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_in_points() {
        let difference = Difference { value: 0.709, low: 0.6123, high: 0.799 };
        assert_eq!(points(&difference), "70.9 points (61.2 to 79.9)");
    }
}
