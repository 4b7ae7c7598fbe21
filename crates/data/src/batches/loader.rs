//! Threads that make batches ahead of the network. Batch number k is made by thread k mod n and waits in that thread's own
//! queue, so batches come in order without being sorted, and a thread that is ahead waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Batch, BatchError, DecodedImages, Form};
use crate::Image;
use crate::augment::{Augmentation, Augmenter, Key};
use crate::intervention::Stamps;

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Threads that augment.
    pub threads: usize,
    /// Finished batches that wait for the network, for each thread.
    pub ahead: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Default for LoaderOptions {
    /// Two threads, two batches ahead each, seed 0.
    fn default() -> Self {
        Self { threads: 2, ahead: 2, seed: 0 }
    }
}

/// Makes the batches of one epoch after another.
#[derive(Debug, Clone)]
pub struct Loader {
    images: Arc<DecodedImages>,
    augmentation: Arc<Augmentation>,
    stamps: Arc<Stamps>,
    options: LoaderOptions,
}

impl Loader {
    /// A loader of `images`, which were decoded for this augmentation (or for one that starts from the same form). What rows carry
    /// ([`Row::intervention`](crate::Row::intervention)) is put on after everything random: each time an image is asked for, at the
    /// same pixels.
    ///
    /// # Errors
    /// Settings that make no sense, images kept in another form, an intervention that cannot be made at this size.
    pub fn new(
        images: Arc<DecodedImages>,
        augmentation: Augmentation,
        options: LoaderOptions,
    ) -> Result<Self, BatchError> {
        augmentation.check()?;
        let suits = match images.form() {
            Form::Prepared(preprocess) => augmentation.crop.is_none() && *preprocess == augmentation.preprocess,
            Form::Reduced { .. } => augmentation.crop.is_some(),
        };
        if !suits {
            let needed = Form::of(&augmentation, super::OVERSIZE).to_string();
            return Err(BatchError::Form { kept: images.form().to_string(), needed });
        }
        let mut stamps = Stamps::default();
        for carried in images.interventions() {
            stamps.of(carried, augmentation.preprocess.input_size)?;
        }
        Ok(Self { images, augmentation: Arc::new(augmentation), stamps: Arc::new(stamps), options })
    }

    /// Starts to make the batches of an epoch: the rows of `order`, `batch_size` at a time, the last batch with what is
    /// left. A row may stand in the order more than once and then looks the same each time.
    ///
    /// # Errors
    /// A row that was not decoded, a batch size of 0, no thread to be had.
    pub fn epoch(&self, epoch: u64, order: &[usize], batch_size: usize) -> Result<Epoch, BatchError> {
        if batch_size == 0 {
            return Err(BatchError::EmptyBatch);
        }
        let positions = order.iter().map(|row| self.images.position(*row)).collect::<Result<Vec<usize>, _>>()?;
        let batches = positions.len().div_ceil(batch_size);
        let work = Arc::new(Work { loader: self.clone(), epoch, positions, batch_size, batches });
        let threads = self.options.threads.clamp(1, batches.max(1));
        let queues = (0..threads).map(|thread| Queue::start(&work, thread, threads)).collect::<Result<Vec<_>, _>>()?;
        Ok(Epoch { queues, batches, next: 0, waited: Duration::ZERO, worked: Duration::ZERO })
    }
}

/// What every thread of an epoch knows.
struct Work {
    loader: Loader,
    epoch: u64,
    /// Positions among the decoded images, in the epoch's order.
    positions: Vec<usize>,
    batch_size: usize,
    batches: usize,
}

impl Work {
    /// Makes the batches `first`, `first + step`, ... until nobody waits for them any more.
    fn run(&self, first: usize, step: usize, made: &SyncSender<Made>, used: &Receiver<Batch>) {
        let mut augmenter = match Augmenter::new(&self.loader.augmentation) {
            Ok(augmenter) => augmenter,
            Err(error) => return drop(made.send(Err(error.into()))),
        };
        let mut scratch = Image::default();
        for number in (first..self.batches).step_by(step) {
            let started = Instant::now();
            let mut batch = used.try_recv().unwrap_or_default();
            let filled = self.fill(number, &mut augmenter, &mut scratch, &mut batch);
            let stop = filled.is_err();
            if made.send(filled.map(|()| (batch, started.elapsed()))).is_err() || stop {
                return;
            }
        }
    }

    fn fill(
        &self,
        number: usize,
        augmenter: &mut Augmenter<'_>,
        scratch: &mut Image,
        batch: &mut Batch,
    ) -> Result<(), BatchError> {
        let positions = self.positions.chunks(self.batch_size).nth(number).unwrap_or_default();
        let images = &self.loader.images;
        let length = self.loader.augmentation.output_length();
        let size = self.loader.augmentation.preprocess.input_size;
        batch.rows.clear();
        batch.labels.clear();
        batch.pixels.resize(positions.len() * length, 0);
        for (position, out) in positions.iter().zip(batch.pixels.chunks_exact_mut(length)) {
            let (row, label) = images.labelled(*position);
            batch.rows.push(row);
            batch.labels.push(label);
            let key = Key { seed: self.loader.options.seed, epoch: self.epoch, row };
            let image = images.image(*position, scratch)?;
            match images.form() {
                Form::Prepared(_) => {
                    out.copy_from_slice(image.pixels());
                    augmenter.apply_to_prepared(key, out)?;
                }
                Form::Reduced { .. } => augmenter.apply(image, key, out)?,
            }
            let carried = images.intervention(*position);
            if let Some(stamp) = carried.and_then(|carried| self.loader.stamps.get(carried, size)) {
                stamp.apply(out);
            }
        }
        Ok(())
    }
}

/// A batch and how long it took to make.
type Made = Result<(Batch, Duration), BatchError>;

/// One thread and its two ways: finished batches out, used ones back.
#[derive(Debug)]
struct Queue {
    made: Receiver<Made>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    fn start(work: &Arc<Work>, number: usize, threads: usize) -> Result<Self, BatchError> {
        let (send, made) = sync_channel(work.loader.options.ahead.max(1));
        let (used, receive) = channel();
        let work = Arc::clone(work);
        let run = move || work.run(number, threads, &send, &receive);
        let thread = std::thread::Builder::new().name(format!("batches-{number}")).spawn(run);
        Ok(Self { made, used, thread: Some(thread.map_err(|source| BatchError::Thread { source })?) })
    }
}

impl Drop for Queue {
    /// Tells the thread that nobody waits for it any more, and lets it finish the batch it is at.
    fn drop(&mut self) {
        self.made = sync_channel(0).1;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on the standard error, and the batch it owed was an error.
            let _ended = thread.join();
        }
    }
}

/// The batches of one epoch, as they are made. Dropping it early ends its threads.
#[derive(Debug)]
pub struct Epoch {
    queues: Vec<Queue>,
    batches: usize,
    next: usize,
    waited: Duration,
    worked: Duration,
}

impl Epoch {
    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Puts the next batch in the place of `batch`, whose buffers are used again; `false` when the epoch is over, and
    /// `batch` then stays as it is.
    ///
    /// # Errors
    /// Pixels on disk that cannot be read back; a thread that ended early.
    pub fn next_into(&mut self, batch: &mut Batch) -> Result<bool, BatchError> {
        if self.next == self.batches {
            return Ok(false);
        }
        let queue = &self.queues[self.next % self.queues.len()];
        let started = Instant::now();
        let made = queue.made.recv().map_err(|_| BatchError::Stopped { batch: self.next })?;
        self.waited += started.elapsed();
        let (mut new, worked) = made?;
        self.worked += worked;
        self.next += 1;
        std::mem::swap(batch, &mut new);
        // The thread may have made its last batch already; then the buffer is not needed.
        let _unused = queue.used.send(new);
        Ok(true)
    }

    /// How long [`Epoch::next_into`] has waited so far. What the network did in between is the time it was kept busy.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How long the threads have worked on the batches handed out so far, all of them together.
    pub fn worked(&self) -> Duration {
        self.worked
    }
}
