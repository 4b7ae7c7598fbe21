//! Which block was trained alone because its gradient was the largest for its size: the line of the terminal and the section of the report.

use heirloom_report::{Align, Block, Section, Table};
use heirloom_transfer::fit::trained::BlockGradient;

/// Blocks by their relative gradient, the largest first; of equals the one nearer to the input.
fn sorted(blocks: &[BlockGradient]) -> Vec<&BlockGradient> {
    let mut sorted: Vec<&BlockGradient> = blocks.iter().collect();
    sorted.sort_by(|a, b| b.relative.total_cmp(&a.relative));
    sorted
}

/// The line of the terminal; none where no block was chosen.
pub fn line(blocks: &[BlockGradient]) -> Option<String> {
    let sorted = sorted(blocks);
    let chosen = sorted.first()?;
    let next = sorted.get(1).map(|next| format!(", the next {} with {:.4}", next.block, next.relative));
    Some(format!(
        "{} and the head: its relative gradient, {:.4}, is the largest of {} blocks{}",
        chosen.block,
        chosen.relative,
        blocks.len(),
        next.unwrap_or_default()
    ))
}

/// The section of the report; none where no block was chosen.
pub fn section(blocks: &[BlockGradient]) -> Option<Section> {
    let chosen = *sorted(blocks).first()?;
    let mut table = Table::new(&[("", Align::Left), ("block", Align::Left), ("relative gradient", Align::Right)]);
    for block in blocks {
        let mark = if block.block == chosen.block { "*" } else { "" };
        table.push([mark.to_owned(), block.block.clone(), format!("{:.5}", block.relative)]);
    }
    let text = "Norm of the loss's gradient as a share of the norm of the weights, from the input to the output, on four batches of training \
                images and with a head fitted on frozen features. The block with the largest was trained with the head; all others stayed as \
                they are.";
    Some(Section::new("Which block was trained?").with(Block::Paragraph(text.into())).with(Block::Table(table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_named_with_the_next() {
        let block = |name: &str, relative: f64| BlockGradient { block: name.into(), relative };
        let blocks = [block("conv1", 0.02), block("layer1.0", 0.5), block("layer2.0", 0.25)];
        let expected = "layer1.0 and the head: its relative gradient, 0.5000, is the largest of 3 blocks, the next layer2.0 with 0.2500";
        assert_eq!(line(&blocks).as_deref(), Some(expected));
        assert_eq!(line(&[]), None);
        assert!(section(&blocks).is_some() && section(&[]).is_none());
    }
}
