//! The networks that can be built, one file per family, and the table that finds them by name.

mod cifar_resnet;
mod convnext;
mod efficientnet;
mod fixup_resnet;
mod inverted_residual;
mod mobilenet_v1;
mod mobilenet_v2;
mod mobilenet_v3;
mod resnet;
mod squeezenet;
mod vit;
mod wide_resnet;

use heirloom_data::{Interpolation, Preprocess, Resize};

use std::path::PathBuf;

use crate::builder::{Builder, Variant, Wire};
use crate::error::ZooError;
use crate::initialize::Scheme;
use crate::keys::{Keys, Layout};
use crate::recipe::{Norm, Recipe};

pub use crate::builder::Network;

/// Epsilon of PyTorch's batch norm.
const TORCH_EPSILON: f64 = 1e-5;

/// A build function: extends the graph from the normalised input, or says which option does not fit.
type Build = fn(&mut Builder, Wire) -> Result<(), String>;

/// A network that can be built.
#[derive(Debug)]
pub(crate) struct Architecture {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Whose key names are understood.
    pub layouts: &'static [Layout],
    /// Usual preprocessing, for weights that come without a description.
    pub usual: Usual,
    /// How its first weights are drawn.
    pub scheme: Scheme,
    build: Build,
}

/// Which preprocessing the published weights of an architecture use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usual {
    /// 224 pixels from a shorter side of 256, bilinear, ImageNet mean and deviation.
    ImageNet,
    /// 32 pixels as they are, ImageNet mean and deviation.
    Cifar,
    /// 224 pixels from a shorter side of 256, bilinear, values in -1 to 1.
    Symmetric,
}

impl Usual {
    pub fn preprocess(self) -> Preprocess {
        let (side, shorter) = if self == Self::Cifar { (32, 32) } else { (224, 256) };
        let (mean, std) = match self {
            Self::Symmetric => ([0.5; 3], [0.5; 3]),
            _ => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        };
        Preprocess {
            input_size: [side, side],
            resize: Resize::ShorterSide(shorter),
            interpolation: Interpolation::Bilinear,
            mean,
            std,
        }
    }
}

impl Architecture {
    /// Builds the graph, or says which option or input size does not fit.
    pub fn build(&self, keys: Keys, variant: Variant, preprocess: &Preprocess) -> Result<Network, String> {
        let (mut builder, input) = Builder::new(keys, variant, preprocess.mean, preprocess.std);
        (self.build)(&mut builder, input)?;
        Ok(builder.finish())
    }
}

/// Names of all architectures.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ARCHITECTURES.iter().map(|architecture| architecture.name).collect()
}

/// Builds the graph that `recipe` describes without a weight file: under `layout`'s key names, batch norms separate and 1000 classes
/// unless the recipe says otherwise.
///
/// ```
/// use heirloom_zoo::{Layout, Recipe, architectures};
///
/// let network = architectures::build(&Recipe::usual("mine", "resnet18")?, Layout::Torchvision)?;
/// assert_eq!(network.graph.parameters["fc.weight"], [1000, 512]);
/// assert!(network.graph.find("layer4.1.conv2").is_some());
/// # Ok::<(), heirloom_zoo::ZooError>(())
/// ```
///
/// # Errors
/// An unknown architecture, or options it cannot take.
pub fn build(recipe: &Recipe, layout: Layout) -> Result<Network, ZooError> {
    let keys = Keys { layout, prefix: recipe.prefix.clone().unwrap_or_default(), rename: recipe.rename.clone() };
    let variant = Variant {
        norm: recipe.norm.unwrap_or(Norm::Separate),
        classes: recipe.classes.unwrap_or(1000),
        input_size: recipe.preprocess.input_size,
        options: recipe.options.clone(),
    };
    let architecture = find(&recipe.architecture)?;
    let wrong = |reason| ZooError::Description { path: PathBuf::from(&recipe.name), reason };
    if !architecture.layouts.contains(&layout) {
        return Err(wrong(format!("{} has no {layout:?} key names", architecture.name)));
    }
    architecture.build(keys, variant, &recipe.preprocess).map_err(wrong)
}

/// What the zoo knows of an architecture, for a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// Whose key names are understood; the first one is used for networks trained from scratch.
    pub layouts: &'static [Layout],
    /// Usual `[height, width]` of the input in pixels.
    pub input_size: [usize; 2],
    /// Whether it can be trained from scratch. One that cannot has no classifier of its own.
    pub from_scratch: bool,
}

/// All architectures, in the order of [`names`].
///
/// ```
/// let small = heirloom_zoo::architectures::all().filter(|known| known.from_scratch && known.input_size == [32, 32]);
/// assert!(small.clone().any(|known| known.name == "cifar_resnet20"));
/// assert!(small.clone().any(|known| known.name == "wide_resnet28_10"));
/// ```
pub fn all() -> impl Iterator<Item = Description> + Clone {
    ARCHITECTURES.iter().map(|known| Description {
        name: known.name,
        aliases: known.aliases,
        layouts: known.layouts,
        input_size: known.usual.preprocess().input_size,
        from_scratch: known.layouts != [Layout::Gluon],
    })
}

/// Key layouts that an architecture is known under.
///
/// # Errors
/// An unknown architecture.
pub fn layouts(name: &str) -> Result<&'static [Layout], ZooError> {
    Ok(find(name)?.layouts)
}

/// Finds an architecture by name or alias.
pub(crate) fn find(name: &str) -> Result<&'static Architecture, ZooError> {
    ARCHITECTURES.iter().find(|known| known.name == name || known.aliases.contains(&name)).ok_or_else(|| {
        ZooError::UnknownArchitecture { name: name.to_owned(), known: names().into_iter().map(str::to_owned).collect() }
    })
}

const TORCHVISION: &[Layout] = &[Layout::Torchvision];
const TIMM: &[Layout] = &[Layout::Timm];
const BOTH: &[Layout] = &[Layout::Timm, Layout::Torchvision];

const fn architecture(
    name: &'static str,
    aliases: &'static [&'static str],
    layouts: &'static [Layout],
    usual: Usual,
    scheme: Scheme,
    build: Build,
) -> Architecture {
    Architecture { name, aliases, layouts, usual, scheme, build }
}

/// Every architecture, in the order of the help text.
pub(crate) static ARCHITECTURES: &[Architecture] = &[
    architecture("resnet18", &[], TORCHVISION, Usual::ImageNet, Scheme::Residual, |b, x| {
        resnet::build(b, x, &resnet::RESNET18)
    }),
    architecture("resnet34", &[], TORCHVISION, Usual::ImageNet, Scheme::Residual, |b, x| {
        resnet::build(b, x, &resnet::RESNET34)
    }),
    architecture("resnet50", &[], TORCHVISION, Usual::ImageNet, Scheme::Residual, |b, x| {
        resnet::build(b, x, &resnet::RESNET50)
    }),
    architecture("resnet101", &[], TORCHVISION, Usual::ImageNet, Scheme::Residual, |b, x| {
        resnet::build(b, x, &resnet::RESNET101)
    }),
    architecture("cifar_resnet20", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        cifar_resnet::build(b, x, 3)
    }),
    architecture("cifar_resnet32", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        cifar_resnet::build(b, x, 5)
    }),
    architecture("cifar_resnet44", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        cifar_resnet::build(b, x, 7)
    }),
    architecture("cifar_resnet56", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        cifar_resnet::build(b, x, 9)
    }),
    architecture("cifar_resnet110", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        cifar_resnet::build(b, x, 18)
    }),
    architecture("wide_resnet16_2", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 2, 2)
    }),
    architecture("wide_resnet16_4", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 2, 4)
    }),
    architecture("wide_resnet16_8", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 2, 8)
    }),
    architecture("wide_resnet28_2", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 4, 2)
    }),
    architecture("wide_resnet28_10", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 4, 10)
    }),
    architecture("wide_resnet40_2", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 6, 2)
    }),
    architecture("wide_resnet40_4", &[], TORCHVISION, Usual::Cifar, Scheme::SmallResidual, |b, x| {
        wide_resnet::build(b, x, 6, 4)
    }),
    architecture(
        "cifar_fixup_resnet20",
        &[],
        TORCHVISION,
        Usual::Cifar,
        Scheme::Fixup { zero_classifier: true },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::cifar(&[3; 3])),
    ),
    architecture(
        "cifar_fixup_resnet32",
        &[],
        TORCHVISION,
        Usual::Cifar,
        Scheme::Fixup { zero_classifier: true },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::cifar(&[5; 3])),
    ),
    architecture(
        "cifar_fixup_resnet44",
        &[],
        TORCHVISION,
        Usual::Cifar,
        Scheme::Fixup { zero_classifier: true },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::cifar(&[7; 3])),
    ),
    architecture(
        "cifar_fixup_resnet56",
        &[],
        TORCHVISION,
        Usual::Cifar,
        Scheme::Fixup { zero_classifier: true },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::cifar(&[9; 3])),
    ),
    architecture(
        "cifar_fixup_resnet110",
        &[],
        TORCHVISION,
        Usual::Cifar,
        Scheme::Fixup { zero_classifier: true },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::cifar(&[18; 3])),
    ),
    architecture(
        "fixup_resnet18",
        &[],
        TORCHVISION,
        Usual::ImageNet,
        Scheme::Fixup { zero_classifier: false },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::RESNET18),
    ),
    architecture(
        "fixup_resnet34",
        &[],
        TORCHVISION,
        Usual::ImageNet,
        Scheme::Fixup { zero_classifier: false },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::RESNET34),
    ),
    architecture(
        "fixup_resnet50",
        &[],
        TORCHVISION,
        Usual::ImageNet,
        Scheme::Fixup { zero_classifier: false },
        |b, x| fixup_resnet::build(b, x, &fixup_resnet::RESNET50),
    ),
    architecture("mobilenetv1_0.25", &[], &[Layout::Slim], Usual::Symmetric, Scheme::Slim, |b, x| {
        mobilenet_v1::build(b, x, 0.25)
    }),
    architecture("mobilenetv1_0.5", &[], &[Layout::Slim], Usual::Symmetric, Scheme::Slim, |b, x| {
        mobilenet_v1::build(b, x, 0.5)
    }),
    architecture("mobilenetv1_0.75", &[], &[Layout::Slim], Usual::Symmetric, Scheme::Slim, |b, x| {
        mobilenet_v1::build(b, x, 0.75)
    }),
    architecture("mobilenetv1_1.0", &["mobilenetv1"], &[Layout::Slim], Usual::Symmetric, Scheme::Slim, |b, x| {
        mobilenet_v1::build(b, x, 1.0)
    }),
    architecture("mobilenetv2_100", &["mobilenet_v2"], BOTH, Usual::ImageNet, Scheme::Mobile, mobilenet_v2::build),
    architecture("mobilenetv2_gluon", &[], &[Layout::Gluon], Usual::ImageNet, Scheme::Mobile, mobilenet_v2::build),
    architecture("mobilenetv3_large_100", &["mobilenet_v3_large"], BOTH, Usual::ImageNet, Scheme::Mobile, |b, x| {
        mobilenet_v3::build(b, x, &mobilenet_v3::LARGE)
    }),
    architecture("mobilenetv3_small_100", &["mobilenet_v3_small"], BOTH, Usual::ImageNet, Scheme::Mobile, |b, x| {
        mobilenet_v3::build(b, x, &mobilenet_v3::SMALL)
    }),
    architecture("efficientnet_b0", &[], BOTH, Usual::ImageNet, Scheme::Efficient, efficientnet::build),
    architecture("squeezenet1_0", &[], TORCHVISION, Usual::ImageNet, Scheme::Squeeze, |b, x| {
        squeezenet::build(b, x, &squeezenet::V1_0)
    }),
    architecture("squeezenet1_1", &[], TORCHVISION, Usual::ImageNet, Scheme::Squeeze, |b, x| {
        squeezenet::build(b, x, &squeezenet::V1_1)
    }),
    architecture("convnext_tiny", &[], BOTH, Usual::ImageNet, Scheme::ConvNext, |b, x| {
        convnext::build(b, x, &convnext::TINY)
    }),
    architecture(
        "vit_tiny_patch16_224",
        &["vit_tiny_patch16_384"],
        TIMM,
        Usual::Symmetric,
        Scheme::Transformer,
        |b, x| vit::build(b, x, &vit::TINY),
    ),
    architecture(
        "vit_small_patch16_224",
        &["vit_small_patch16_384"],
        TIMM,
        Usual::Symmetric,
        Scheme::Transformer,
        |b, x| vit::build(b, x, &vit::SMALL),
    ),
    architecture(
        "vit_base_patch16_224",
        &["vit_base_patch16_384"],
        TIMM,
        Usual::Symmetric,
        Scheme::Transformer,
        |b, x| vit::build(b, x, &vit::BASE),
    ),
    architecture("deit_tiny_patch16_224", &[], TIMM, Usual::ImageNet, Scheme::Transformer, |b, x| {
        vit::build(b, x, &vit::TINY)
    }),
    architecture("deit_small_patch16_224", &[], TIMM, Usual::ImageNet, Scheme::Transformer, |b, x| {
        vit::build(b, x, &vit::SMALL)
    }),
    architecture(
        "deit_base_patch16_224",
        &["deit_base_patch16_384"],
        TIMM,
        Usual::ImageNet,
        Scheme::Transformer,
        |b, x| vit::build(b, x, &vit::BASE),
    ),
];
