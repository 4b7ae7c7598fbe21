//! A network with its first weights, ready to be trained.

use crate::architectures;
use crate::backbone::Backbone;
use crate::error::ZooError;
use crate::initialize::{Initialization, initialize};
use crate::load;
use crate::recipe::Recipe;

impl Backbone {
    /// The network that `recipe` describes, with its batch norms and under the first of its architecture's key names, and first
    /// weights as `how` says. The recipe's input size may be any that the architecture can take; without a number of classes it is
    /// that of the class names, or else 1000.
    ///
    /// ```
    /// use heirloom_zoo::{Backbone, Initialization, Recipe};
    ///
    /// let mut recipe = Recipe::usual("mine", "wide_resnet16_2")?;
    /// recipe.class_names = ["cat", "dog"].map(String::from).to_vec();
    /// let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(0))?;
    /// assert_eq!(backbone.weights.tensors["fc.weight"].shape, [2, 128]);
    /// # Ok::<(), heirloom_zoo::ZooError>(())
    /// ```
    ///
    /// # Errors
    /// An unknown architecture, one that is only read from files, options or an input size that it cannot take, class names that
    /// are not one for each class.
    pub fn from_scratch(recipe: &Recipe, how: &Initialization) -> Result<Self, ZooError> {
        let known = architectures::find(&recipe.architecture)?;
        let wrong = |reason: String| ZooError::Network { name: known.name.to_owned(), reason };
        load::check_preprocess(&recipe.preprocess).map_err(wrong)?;
        let names = recipe.class_names.len();
        let classes = recipe.classes.unwrap_or(if names > 0 { names } else { 1000 });
        if names > 0 && names != classes {
            return Err(wrong(format!("{names} class names were given for {classes} classes")));
        }
        let described = architectures::all().find(|description| description.name == known.name);
        let layout =
            described.filter(|description| description.from_scratch).and_then(|it| it.layouts.first().copied());
        let layout =
            layout.ok_or_else(|| wrong("it is read from files only and cannot be trained from scratch".into()))?;
        let recipe = Recipe { classes: Some(classes), ..recipe.clone() };
        let network = architectures::build(&recipe, layout)?;
        network.graph.shapes(recipe.preprocess.input_size).map_err(|error| wrong(error.to_string()))?;
        let weights = initialize(known.name, &network.graph, how)?;
        Ok(Self::assemble(Recipe { architecture: known.name.to_owned(), ..recipe }, load::published(network), weights))
    }
}
