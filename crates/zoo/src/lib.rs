//! Architectures, weight readers and preprocessing recipes.
