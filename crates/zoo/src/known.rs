//! Public backbones that can be fetched and opened as they are; for messages to a user who has none.

/// A public backbone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Architecture.
    pub name: &'static str,
    /// Parameters, in millions.
    pub millions: f64,
    /// Licence of the weights.
    pub licence: &'static str,
    /// Repository on the Hugging Face hub.
    pub repository: &'static str,
}

impl Known {
    /// Page to read before using it.
    #[must_use]
    pub fn page(&self) -> String {
        format!("https://huggingface.co/{}", self.repository)
    }

    /// Command that fetches it into a folder that [`crate::open`] takes.
    #[must_use]
    pub fn command(&self) -> String {
        format!("huggingface-cli download {} --local-dir {}", self.repository, self.name)
    }
}

const fn timm(name: &'static str, millions: f64, repository: &'static str) -> Known {
    Known { name, millions, licence: "Apache-2.0", repository }
}

/// The public backbones, smallest first.
#[must_use]
pub fn known() -> &'static [Known] {
    const KNOWN: &[Known] = &[
        timm("mobilenetv3_small_100", 2.5, "timm/mobilenetv3_small_100.lamb_in1k"),
        timm("mobilenetv2_100", 3.5, "timm/mobilenetv2_100.ra_in1k"),
        timm("efficientnet_b0", 5.3, "timm/efficientnet_b0.ra_in1k"),
        timm("mobilenetv3_large_100", 5.5, "timm/mobilenetv3_large_100.ra_in1k"),
        timm("deit_tiny_patch16_224", 5.7, "timm/deit_tiny_patch16_224.fb_in1k"),
        timm("vit_tiny_patch16_224", 5.7, "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
        timm("resnet18", 11.7, "timm/resnet18.a1_in1k"),
        timm("resnet34", 21.8, "timm/resnet34.a1_in1k"),
        timm("deit_small_patch16_224", 22.1, "timm/deit_small_patch16_224.fb_in1k"),
        timm("vit_small_patch16_224", 22.1, "timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
        timm("resnet50", 25.6, "timm/resnet50.a1_in1k"),
        timm("convnext_tiny", 28.6, "timm/convnext_tiny.fb_in1k"),
        timm("resnet101", 44.5, "timm/resnet101.a1h_in1k"),
        timm("deit_base_patch16_224", 86.6, "timm/deit_base_patch16_224.fb_in1k"),
        timm("vit_base_patch16_224", 86.6, "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    ];
    KNOWN
}
