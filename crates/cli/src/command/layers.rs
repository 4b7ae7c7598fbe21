//! Which layers head2toe chose, as the reports show it.

use heirloom_report::{Align, Block, LayerBar, Table, count, counted, layer_shares, percent};
use heirloom_transfer::heads::LayerShare;

/// Paragraph, figure and table of one selection, or of those of several draws out of `draws`; nothing where none was made.
pub fn blocks(selections: &[Vec<LayerShare>], draws: usize) -> Vec<Block> {
    let bars = bars(selections);
    let Some(svg) = layer_shares(&bars, "share of the columns") else { return Vec::new() };
    let caption = format!(
        "Layers from the first to the last. Bar: the layer's share of the columns that were kept{}. Mark: its share of all columns, which a \
         choice by chance would keep of it.",
        if selections.len() > 1 { ", the mean over draws; line: their range" } else { "" }
    );
    let summary = format!("Columns of each layer ({})", count(bars.len()));
    vec![
        Block::Paragraph(said(selections, draws, &bars)),
        Block::Figure { svg, caption },
        Block::Fold { summary, blocks: vec![Block::Table(table(selections, &bars))] },
    ]
}

/// What stands out, in words.
fn said(selections: &[Vec<LayerShare>], draws: usize, bars: &[LayerBar]) -> String {
    let used = bars.iter().filter(|bar| bar.share > 0.0).count();
    let mut text = format!("Columns of {used} of {} were kept", counted(bars.len(), "layer"));
    if let Some(first) = bars.iter().max_by(|a, b| a.share.total_cmp(&b.share)) {
        text += &format!(", most from {} ({})", first.label, percent(first.share));
    }
    text += ".";
    match draws - selections.len().min(draws) {
        0 => {}
        alone => {
            text += &format!(" In {} the last layer alone was taken; it is not in the figure.", counted(alone, "draw"))
        }
    }
    text
}

/// One bar for each layer, in the order of the first selection; shares are means over selections.
fn bars(selections: &[Vec<LayerShare>]) -> Vec<LayerBar> {
    let Some(first) = selections.first() else { return Vec::new() };
    let bar = |layer: &LayerShare| {
        let share = |selection: &Vec<LayerShare>, value: fn(&LayerShare) -> usize| {
            let own: usize = selection.iter().filter(|other| other.tap == layer.tap).map(value).sum();
            own as f64 / selection.iter().map(value).sum::<usize>().max(1) as f64
        };
        let kept: Vec<f64> = selections.iter().map(|selection| share(selection, |layer| layer.kept)).collect();
        let blind: f64 = selections.iter().map(|selection| share(selection, |layer| layer.columns)).sum();
        let ends = (kept.iter().copied().fold(1.0, f64::min), kept.iter().copied().fold(0.0, f64::max));
        LayerBar {
            label: layer.tap.clone(),
            share: kept.iter().sum::<f64>() / kept.len() as f64,
            range: (kept.len() > 1).then_some(ends),
            blind: blind / selections.len() as f64,
        }
    };
    first.iter().map(bar).collect()
}

fn table(selections: &[Vec<LayerShare>], bars: &[LayerBar]) -> Table {
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("columns", Align::Right),
        ("kept", Align::Right),
        ("of the layer", Align::Right),
        ("of all kept", Align::Right),
    ]);
    let draws = selections.len() as f64;
    for bar in bars {
        let own = || selections.iter().flatten().filter(|layer| layer.tap == bar.label);
        let (columns, kept): (usize, usize) =
            own().fold((0, 0), |(columns, kept), layer| (columns + layer.columns, kept + layer.kept));
        table.push([
            bar.label.clone(),
            count((columns as f64 / draws).round() as usize),
            format!("{:.digits$}", kept as f64 / draws, digits = usize::from(selections.len() > 1)),
            percent(kept as f64 / columns.max(1) as f64),
            percent(bar.share),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(kept: [usize; 3]) -> Vec<LayerShare> {
        let layer = |(at, kept): (usize, usize)| LayerShare { tap: format!("layer{at}"), columns: 100, kept };
        kept.into_iter().enumerate().map(layer).collect()
    }

    #[test]
    fn shares_are_means_over_draws_with_their_range() {
        let bars = bars(&[selection([10, 30, 0]), selection([0, 10, 10])]);
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        close(bars[0].share, 0.125);
        close(bars[1].share, 0.625);
        assert_eq!(bars[1].range, Some((0.5, 0.75)));
        close(bars[2].blind, 1.0 / 3.0);
    }

    #[test]
    fn the_blocks_say_what_was_kept_and_where_nothing_was_selected() {
        let found = blocks(&[selection([10, 30, 0])], 1);
        assert!(
            matches!(&found[0], Block::Paragraph(text) if text == "Columns of 2 of 3 layers were kept, most from layer1 (75.0 %).")
        );
        assert!(matches!(&found[1], Block::Figure { caption, .. } if !caption.contains("mean")));
        let Block::Fold { blocks: inner, .. } = &found[2] else { panic!("no table") };
        let Block::Table(table) = &inner[0] else { panic!("no table") };
        assert_eq!(table.rows()[1], ["layer1", "100", "30", "30.0 %", "75.0 %"]);
        let several = blocks(&[selection([10, 30, 0])], 3);
        assert!(matches!(&several[0], Block::Paragraph(text) if text.contains("In 2 draws the last layer alone")));
        assert_eq!(blocks(&[], 3), []);
    }
}
