//! The page itself: head, style sheet, sections.

use super::block::Block;
use super::escape::escape;

const STYLE: &str = include_str!("page.css");

/// A heading and what stands under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

impl Section {
    /// A section without blocks.
    #[must_use]
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), blocks: Vec::new() }
    }

    /// The section with one more block.
    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Appends a block.
    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }
}

/// A whole HTML file.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    lead: String,
    sections: Vec<Section>,
}

impl Page {
    /// A page without sections.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lead: String::new(), sections: Vec::new() }
    }

    /// The page with a line under its title.
    #[must_use]
    pub fn lead(self, lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..self }
    }

    /// The page with one more section.
    #[must_use]
    pub fn with(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Appends a section.
    pub fn push(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// The file's text. It loads nothing: style, figures and pictures are inside, and there are no scripts.
    #[must_use]
    pub fn to_html(&self) -> String {
        let (title, lead) = (escape(&self.title), escape(&self.lead));
        let sections: String = self.sections.iter().map(section).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
             </head>\n<body>\n<header><h1>{title}</h1><p>{lead}</p></header>\n<main>\n{sections}</main>\n</body>\n</html>\n"
        )
    }
}

fn section(section: &Section) -> String {
    let blocks: String = section.blocks.iter().map(Block::to_html).collect();
    format!("<section>\n<h2>{}</h2>\n{blocks}</section>\n", escape(&section.heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loads_nothing_from_elsewhere() {
        let page = Page::new("t").lead("l").with(Section::new("s").with(Block::Paragraph("p".into())));
        let html = page.to_html();
        for reference in ["http://", "https://", "<script", "<link", "@import", "url("] {
            assert!(!html.contains(reference), "{reference}");
        }
    }
}
