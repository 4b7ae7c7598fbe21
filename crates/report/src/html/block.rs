//! What a section may hold. Text is escaped here; only figures made by this crate are put in as they are.

use super::escape::escape;
use super::matrix::Matrix;
use crate::picture::Picture;
use crate::table::{Align, Table};

/// One headline number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What it is.
    pub label: String,
    /// The number.
    pub value: String,
    /// Its interval or what to compare it with.
    pub detail: String,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Running text.
    Paragraph(String),
    /// Text that must not be overlooked.
    Warning(String),
    /// Headline numbers side by side.
    Cards(Vec<Card>),
    /// Rows and columns.
    Table(Table),
    /// Counts by true and predicted class.
    Matrix(Matrix),
    /// An SVG figure drawn by this crate, and what it shows.
    Figure {
        /// SVG text.
        svg: String,
        /// The line under it.
        caption: String,
    },
    /// Pictures with captions.
    Gallery(Vec<Picture>),
    /// Text as it is, for commands and records.
    Code(String),
    /// Blocks behind a heading that opens on a click.
    Fold {
        /// The heading.
        summary: String,
        /// What it hides.
        blocks: Vec<Block>,
    },
}

impl Block {
    pub(super) fn to_html(&self) -> String {
        match self {
            Self::Paragraph(text) => format!("<p>{}</p>\n", escape(text)),
            Self::Warning(text) => format!("<p class=\"warning\">{}</p>\n", escape(text)),
            Self::Cards(cards) => {
                format!("<div class=\"cards\">{}</div>\n", cards.iter().map(card).collect::<String>())
            }
            Self::Table(table) => table_html(table),
            Self::Matrix(matrix) => matrix.to_html(),
            Self::Figure { svg, caption } => {
                format!("<figure>{svg}<figcaption>{}</figcaption></figure>\n", escape(caption))
            }
            Self::Gallery(pictures) => {
                format!("<div class=\"gallery\">{}</div>\n", pictures.iter().map(picture).collect::<String>())
            }
            Self::Code(text) => format!("<pre>{}</pre>\n", escape(text)),
            Self::Fold { summary, blocks } => {
                let inner: String = blocks.iter().map(Self::to_html).collect();
                format!("<details><summary>{}</summary>{inner}</details>\n", escape(summary))
            }
        }
    }
}

fn card(card: &Card) -> String {
    format!(
        "<div class=\"card\"><span>{}</span><strong>{}</strong><small>{}</small></div>",
        escape(&card.label),
        escape(&card.value),
        escape(&card.detail)
    )
}

fn picture(picture: &Picture) -> String {
    let (caption, detail) = (escape(&picture.caption), escape(&picture.detail));
    format!(
        "<figure><img src=\"{}\" alt=\"{caption}\" loading=\"lazy\"><figcaption>{caption}<small>{detail}</small></figcaption></figure>",
        picture.address()
    )
}

fn table_html(table: &Table) -> String {
    let side = |align: Align| if align == Align::Right { " class=\"number\"" } else { "" };
    let line = |tag: &str, cells: Vec<&String>| -> String {
        let cells = cells.into_iter().zip(table.columns());
        cells.map(|(cell, (_, align))| format!("<{tag}{}>{}</{tag}>", side(*align), escape(cell))).collect()
    };
    let head = line("th", table.columns().iter().map(|(name, _)| name).collect());
    let body: String =
        table.rows().iter().map(|row| format!("<tr>{}</tr>", line("td", row.iter().collect()))).collect();
    format!("<div class=\"scroll\"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_block_is_escaped() {
        let evil = "<script>alert('x')</script>";
        let mut table = Table::new(&[(evil, Align::Left)]);
        table.push([evil]);
        let picture = Picture { png: vec![1], caption: evil.into(), detail: evil.into() };
        let blocks = [
            Block::Paragraph(evil.into()),
            Block::Warning(evil.into()),
            Block::Cards(vec![Card { label: evil.into(), value: evil.into(), detail: evil.into() }]),
            Block::Table(table),
            Block::Matrix(Matrix { classes: vec![evil.into()], counts: vec![vec![1]], examples: vec![] }),
            Block::Figure { svg: "<svg></svg>".into(), caption: evil.into() },
            Block::Gallery(vec![picture]),
            Block::Code(evil.into()),
            Block::Fold { summary: evil.into(), blocks: vec![Block::Paragraph(evil.into())] },
        ];
        for block in blocks {
            let html = block.to_html();
            assert!(!html.contains("<script"), "{html}");
            assert!(html.contains("&lt;script"), "{html}");
        }
    }
}
