//! The confusion matrix as a table whose cells are shaded by their share of the row.

use super::escape::escape;

/// Counts of rows by true class (down) and predicted class (across).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// Class names, in the order of both sides.
    pub classes: Vec<String>,
    /// `[true class][predicted class]`, in rows of the table.
    pub counts: Vec<Vec<usize>>,
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
            let cells: String = counts.iter().enumerate().map(|(at, count)| cell(index == at, *count, total)).collect();
            html.push_str(&format!("<tr><th>{} {}</th>{cells}</tr>", index + 1, escape(class)));
        }
        html.push_str("</tbody></table></div>");
        html
    }
}

/// One count; the shade is its share of the true class.
fn cell(right: bool, count: usize, total: usize) -> String {
    if count == 0 {
        return "<td class=\"none\">0</td>".to_string();
    }
    let share = (100 * count).div_ceil(total).min(100);
    let kind = if right { "right" } else { "wrong" };
    format!("<td class=\"{kind}\" style=\"--share:{share}%\">{count}</td>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_carry_their_share_of_the_true_class() {
        let matrix = Matrix { classes: vec!["a<b".into(), "c".into()], counts: vec![vec![3, 1], vec![0, 2]] };
        let html = matrix.to_html();
        assert!(html.contains("<td class=\"right\" style=\"--share:75%\">3</td>"));
        assert!(html.contains("<td class=\"wrong\" style=\"--share:25%\">1</td>"));
        assert!(html.contains("1 a&lt;b") && html.contains("<td class=\"none\">0</td>"));
    }
}
