//! Tables, SVG figures and self-contained HTML.
