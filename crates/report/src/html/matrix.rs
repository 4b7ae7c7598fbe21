//! The confusion matrix as a table whose cells are shaded by their share of the row.

use super::escape::escape;
use crate::picture::Picture;

/// A picture of one row that was taken for another class.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Its class.
    pub class: usize,
    /// The class it was taken for.
    pub taken_for: usize,
    /// What it looks like; its caption is read out in place of the picture, its detail shown beside the pointer.
    pub picture: Picture,
}

/// Counts of rows by true class (down) and predicted class (across).
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Class names, in the order of both sides.
    pub classes: Vec<String>,
    /// `[true class][predicted class]`, in rows of the table.
    pub counts: Vec<Vec<usize>>,
    /// Pictures for some of the counts, at most one for each.
    pub examples: Vec<Example>,
}

impl Matrix {
    pub(super) fn to_html(&self) -> String {
        let numbers: String = (1..=self.classes.len()).map(|number| format!("<th>{number}</th>")).collect();
        let mut html = format!(
            "<div class=\"scroll\"><table class=\"matrix\"><caption>true class down, predicted class across</caption>\
             <thead><tr><th></th>{numbers}</tr></thead><tbody>"
        );
        for (index, (class, counts)) in self.classes.iter().zip(&self.counts).enumerate() {
            let total = counts.iter().sum::<usize>().max(1);
            let picture =
                |at: usize| self.examples.iter().find(|example| (example.class, example.taken_for) == (index, at));
            let cells: String =
                counts.iter().enumerate().map(|(at, count)| cell(index == at, *count, total, picture(at))).collect();
            html.push_str(&format!("<tr><th>{} {}</th>{cells}</tr>", index + 1, escape(class)));
        }
        html.push_str("</tbody></table></div>");
        html
    }
}

/// One count below its picture; the shade is its share of the true class.
fn cell(right: bool, count: usize, total: usize, example: Option<&Example>) -> String {
    if count == 0 {
        return "<td class=\"none\">0</td>".to_string();
    }
    let share = (100 * count).div_ceil(total).min(100);
    let kind = if right { "right" } else { "wrong" };
    let picture = example.map_or_else(String::new, |Example { picture, .. }| {
        let (caption, detail) = (escape(&picture.caption), escape(&picture.detail));
        format!("<img src=\"{}\" alt=\"{caption}\" title=\"{detail}\" loading=\"lazy\">", picture.address())
    });
    format!("<td class=\"{kind}\" style=\"--share:{share}%\">{picture}{count}</td>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_carry_their_share_of_the_true_class() {
        let (classes, counts) = (vec!["a<b".into(), "c".into()], vec![vec![3, 1], vec![0, 2]]);
        let matrix = Matrix { classes, counts, examples: vec![] };
        let html = matrix.to_html();
        assert!(html.contains("<td class=\"right\" style=\"--share:75%\">3</td>"));
        assert!(html.contains("<td class=\"wrong\" style=\"--share:25%\">1</td>"));
        assert!(html.contains("1 a&lt;b") && html.contains("<td class=\"none\">0</td>"));
    }

    #[test]
    fn an_example_stands_in_its_own_cell_and_its_text_is_escaped() {
        let picture = Picture { png: vec![1], caption: "c, not a<b".into(), detail: "\"7\".jpg".into() };
        let (classes, counts) = (vec!["a<b".into(), "c".into()], vec![vec![3, 1], vec![2, 2]]);
        let html = Matrix { classes, counts, examples: vec![Example { class: 0, taken_for: 1, picture }] }.to_html();
        let expected = "<td class=\"wrong\" style=\"--share:25%\"><img src=\"data:image/png;base64,AQ==\" alt=\"c, not a&lt;b\" \
                        title=\"&quot;7&quot;.jpg\" loading=\"lazy\">1</td>";
        assert!(html.contains(expected), "{html}");
        assert_eq!(html.matches("<img").count(), 1);
    }
}
