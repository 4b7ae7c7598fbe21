//! Batches of training images: decoded once, kept in memory as far as it goes and on disk beyond, augmented and put together
//! on threads of their own while the network works on the batch before.
//!
//! ```text
//! Table + rows --decode once--> DecodedImages (memory | one unnamed file) --Loader's threads: augment--> Batch, in order
//! ```
//!
//! A batch's bytes depend on its rows, the seed and the epoch; not on the number of threads, nor on where images are kept.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use heirloom_data::augment::{Augmentation, Preset};
//! use heirloom_data::batches::{Batch, DecodeOptions, DecodedImages, Loader, LoaderOptions, epoch_order};
//! use heirloom_data::{Preprocess, Split, Table};
//!
//! # fn run(preprocess: Preprocess) -> Result<(), Box<dyn std::error::Error>> {
//! let table = Table::open("photos".as_ref(), &Default::default())?;
//! let rows = table.rows_in(Some(Split::Train));
//! let augmentation = Augmentation::preset(Preset::Crop, preprocess.at_size(96), 480);
//! let mut silent = |_, _| ControlFlow::Continue(());
//! let images = Arc::new(DecodedImages::new(&table, &rows, &augmentation, &DecodeOptions::default(), &mut silent)?);
//! let loader = Loader::new(images.clone(), augmentation, LoaderOptions::default())?;
//! let mut batch = Batch::default();
//! for epoch in 0..10 {
//!     let order = epoch_order(&images.rows(), 0, epoch);
//!     let mut batches = loader.epoch(epoch, &order, 64)?;
//!     while batches.next_into(&mut batch)? {
//!         println!("{} images, {:?}", batch.images(), batches.waited());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
mod decoded;
mod error;
mod loader;
mod spill;
mod typical;

pub use batch::{Batch, epoch_order};
pub use decoded::{DecodeOptions, DecodedImages, Form, LeftOut, OVERSIZE};
pub use error::BatchError;
pub use loader::{Epoch, Loader, LoaderOptions};
pub use typical::typical_shorter_side;
