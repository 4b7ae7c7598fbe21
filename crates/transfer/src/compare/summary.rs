//! From cells to lines.

use std::collections::BTreeSet;

use heirloom_zoo::Backbone;

use super::advice::advice;
use super::bootstrap::{Answers, Resamples, accuracy, gap};
use super::cell::Cell;
use super::draws::Draw;
use super::origin::Origin;
use super::record::{Comparison, DrawRecord, DrawRows, Failed, Line, Rows, Source};
use super::work::Work;
use super::{Adaptation, CellsOfEntry, Cost, Gap, Readable};
use crate::calibration::{Answer, Calibration};
use crate::fit::scores::{examples, per_class};
use crate::fit::{BackboneRecord, ClassScore, Evaluated, Share};

/// Mistakes kept of a line.
const MISTAKES: usize = 24;
/// Pairs of classes of which a line keeps an example.
const EXAMPLES: usize = 24;

/// Lines as they come.
pub(super) struct Summary<'a> {
    work: &'a Work<'a>,
    readable: &'a Readable,
    test_split: bool,
    resamples: Resamples,
    /// Entries added.
    entries: usize,
    backbones: Vec<BackboneRecord>,
    lines: Vec<(Line, Vec<f64>)>,
    failed: Vec<Failed>,
    warnings: Vec<String>,
}

impl<'a> Summary<'a> {
    pub fn new(work: &'a Work<'a>, readable: &'a Readable, test_split: bool) -> Self {
        let leak = readable.copies.leak(work.table, &readable.fit_rows());
        let groups = readable.groups.iter().max().map_or(0, |last| last + 1);
        Self {
            work,
            readable,
            test_split,
            resamples: Resamples::new(groups, work.draws.len(), test_split, work.options.seed),
            entries: 0,
            backbones: Vec::new(),
            lines: Vec::new(),
            failed: Vec::new(),
            warnings: readable.warnings.iter().cloned().chain(leak).collect(),
        }
    }

    /// Adds the cells of the next entry.
    pub fn add(&mut self, origin: Origin<'_>, cells: CellsOfEntry) {
        let place = origin.backbone().map_or(0, |backbone| self.place(backbone));
        for (method, draws) in origin.methods().iter().zip(cells) {
            let failed =
                draws.iter().enumerate().find_map(|(draw, cell)| Some((draw, cell.as_ref().err()?.to_string())));
            match failed {
                Some((draw, reason)) => self.failed.push(Failed {
                    method: method.name().to_string(),
                    backbone: origin.backbone().map(|backbone| backbone.name.clone()),
                    draw: draw + 1,
                    reason,
                }),
                None => {
                    let line = self.line(*method, place, &draws.into_iter().flatten().collect::<Vec<_>>());
                    self.lines.push(line);
                }
            }
        }
        self.entries += 1;
    }

    /// Place of a backbone among those seen, with what is to be known about a new one.
    fn place(&mut self, backbone: &Backbone) -> usize {
        let record = BackboneRecord::from(backbone);
        self.backbones.iter().position(|known| *known == record).unwrap_or_else(|| {
            self.warnings.extend(backbone.notes.iter().map(|note| format!("{}: {note}", backbone.name)));
            self.backbones.push(record);
            self.backbones.len() - 1
        })
    }

    /// A line and its accuracy in every resample.
    fn line(&self, method: Adaptation, backbone: usize, cells: &[Cell]) -> (Line, Vec<f64>) {
        let answers = self.answers(cells);
        let resampled = self.resamples.accuracies(&answers);
        let share = |draw: &Vec<(usize, bool)>| {
            draw.iter().filter(|(_, right)| *right).count() as f64 / draw.len().max(1) as f64
        };
        let by_draw: Vec<f64> = answers.iter().map(share).collect();
        let confusion = self.confusion(cells);
        let per_class = self.per_class(&confusion, cells.len());
        let wrong = self.wrong(cells);
        let recalls: f64 = per_class.iter().map(|class| class.recall.value).sum();
        let line = Line {
            method: method.name().to_string(),
            frozen: method.is_frozen(),
            backbone,
            entry: self.entries,
            accuracy: accuracy(&answers, &resampled, self.judged(cells.len()).len()),
            spread: spread(&by_draw),
            by_draw,
            against_best: Gap { value: 0.0, low: 0.0, high: 0.0 },
            balanced_accuracy: recalls / per_class.len().max(1) as f64,
            calibration: self.calibration(cells, true),
            before_calibration: self.calibration(cells, false),
            cost: Cost::mean(&cells.iter().map(|cell| cell.cost).collect::<Vec<_>>()),
            on_frontier: false,
            choices: cells.iter().map(|cell| cell.choice.clone()).collect(),
            layers: cells.iter().map(|cell| cell.layers.clone()).filter(|layers| !layers.is_empty()).collect(),
            per_class,
            confusion,
            examples: examples(&wrong, EXAMPLES),
            mistakes: mistakes(wrong),
            answers,
        };
        (line, resampled)
    }

    fn answers(&self, cells: &[Cell]) -> Answers {
        let draw = |(draw, cell): (usize, &Cell)| {
            let places = self.work.draws[draw].test.iter().zip(&cell.predicted);
            places.map(|(place, given)| (self.readable.groups[*place], *given == self.work.labels[*place])).collect()
        };
        cells.iter().enumerate().map(draw).collect()
    }

    fn confusion(&self, cells: &[Cell]) -> Vec<Vec<usize>> {
        let classes = self.work.table.classes.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (draw, cell) in cells.iter().enumerate() {
            for (place, given) in self.work.draws[draw].test.iter().zip(&cell.predicted) {
                counts[self.work.labels[*place]][*given] += 1;
            }
        }
        counts
    }

    /// Scores by class over all draws; an image that several draws judge is one image to the intervals.
    fn per_class(&self, confusion: &[Vec<usize>], draws: usize) -> Vec<ClassScore> {
        let mut images = std::collections::BTreeMap::<&str, usize>::new();
        for place in self.judged(draws) {
            *images.entry(&self.work.table.classes[self.work.labels[place]]).or_default() += 1;
        }
        let mut scores = per_class(confusion, &self.work.table.classes);
        for score in &mut scores {
            score.rows = images.get(score.class.as_str()).copied().unwrap_or(0);
            score.recall = Share::rate(score.recall.value, score.rows);
        }
        scores
    }

    /// Places of the rows that the first `draws` draws judge.
    fn judged(&self, draws: usize) -> BTreeSet<usize> {
        self.work.draws.iter().take(draws).flat_map(|draw| draw.test.iter().copied()).collect()
    }

    fn calibration(&self, cells: &[Cell], calibrated: bool) -> Calibration {
        let answers = |(draw, cell): (usize, &Cell)| cell.answers(&self.work.test_labels(draw), calibrated);
        Calibration::of(&cells.iter().enumerate().flat_map(answers).collect::<Vec<Answer>>())
    }

    /// All mistakes of all draws, the most confident first.
    fn wrong(&self, cells: &[Cell]) -> Vec<Evaluated> {
        let mut wrong = Vec::new();
        for (draw, cell) in cells.iter().enumerate() {
            for (at, &place) in self.work.draws[draw].test.iter().enumerate() {
                let (row, label, predicted) = (self.work.rows[place], self.work.labels[place], cell.predicted[at]);
                if label != predicted {
                    let said = &cell.calibrated;
                    let (confidence, label_probability) = (said.confidence[at], said.label_probability[at]);
                    let locator = self.work.table.rows.get(row).map(|row| row.locator.to_string()).unwrap_or_default();
                    wrong.push(Evaluated { row, locator, label, predicted, confidence, label_probability });
                }
            }
        }
        wrong.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.row.cmp(&b.row)));
        wrong
    }

    /// The record, lines in order of accuracy, differences taken from the first.
    pub fn finish(mut self) -> Comparison {
        self.lines.sort_by(|(a, _), (b, _)| {
            let cheaper = a.cost.operations().total_cmp(&b.cost.operations());
            b.accuracy.value.total_cmp(&a.accuracy.value).then(cheaper)
        });
        if let Some((best, of_best)) =
            self.lines.first().map(|(line, resampled)| (line.accuracy.value, resampled.clone()))
        {
            for (line, resampled) in &mut self.lines {
                line.against_best = gap(line.accuracy.value - best, resampled, &of_best);
            }
        }
        let mut lines: Vec<Line> = self.lines.iter().map(|(line, _)| line.clone()).collect();
        mark_frontier(&mut lines);
        let several = self.backbones.len() > 1;
        let name = |line: &Line| match self.backbones.get(line.backbone) {
            Some(backbone) if several => format!("{} on {}", line.method, backbone.name),
            _ => line.method.clone(),
        };
        let draws = self.draws();
        let (work, readable) = (self.work, self.readable);
        Comparison {
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: work.table.source.display().to_string(),
            classes: work.table.classes.clone(),
            protocol: if self.test_split { Source::TestSplit } else { Source::CrossValidation },
            rows: self.rows(&draws),
            majority: self.majority(),
            advice: advice(&lines, name, if self.backbones.is_empty() { "rows" } else { "images" }),
            draws,
            draw_rows: self.work.draws.iter().map(|draw| self.draw_rows(draw)).collect(),
            lines,
            duplicates: readable.copies.describe(work.table, &readable.fit_rows()),
            skipped: readable.skipped.clone(),
            backbones: self.backbones,
            failed: self.failed,
            warnings: self.warnings,
            seed: work.options.seed,
            seconds: 0.0,
        }
    }

    fn draw_rows(&self, draw: &Draw) -> DrawRows {
        let rows = |places: &[usize]| places.iter().map(|place| self.work.rows[*place]).collect();
        DrawRows { train: rows(&draw.train), folds: draw.folds.clone(), test: rows(&draw.test) }
    }

    fn draws(&self) -> Vec<DrawRecord> {
        self.work.draws.iter().map(|draw| DrawRecord { train: draw.train.len(), test: draw.test.len() }).collect()
    }

    fn rows(&self, draws: &[DrawRecord]) -> Rows {
        Rows {
            train: draws.iter().map(|draw| draw.train).sum::<usize>() / draws.len().max(1),
            test: self.judged(draws.len()).len(),
            skipped: self.readable.skipped.len(),
        }
    }

    /// Share of judged rows that the most frequent class of the draw's training rows gets right.
    fn majority(&self) -> f64 {
        let (mut right, mut all) = (0, 0);
        for draw in &self.work.draws {
            let mut counts = vec![0_usize; self.work.table.classes.len()];
            draw.train.iter().for_each(|place| counts[self.work.labels[*place]] += 1);
            let frequent = (0..counts.len()).rev().max_by_key(|class| counts[*class]).unwrap_or(0);
            right += draw.test.iter().filter(|place| self.work.labels[**place] == frequent).count();
            all += draw.test.len();
        }
        right as f64 / all.max(1) as f64
    }
}

/// The first of the mistakes, each image once.
fn mistakes(mut wrong: Vec<Evaluated>) -> Vec<Evaluated> {
    let mut seen = BTreeSet::new();
    wrong.retain(|mistake| seen.insert(mistake.row));
    wrong.truncate(MISTAKES);
    wrong
}

/// Standard deviation, 0 for fewer than two values.
fn spread(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() }
}

/// Marks the lines that no other equals in accuracy at fewer operations to adapt.
fn mark_frontier(lines: &mut [Line]) {
    let mut cheapest = f64::INFINITY;
    for line in lines {
        let cost = line.cost.operations();
        line.on_frontier = cost < cheapest;
        cheapest = cheapest.min(cost);
    }
}
