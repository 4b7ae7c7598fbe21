//! Running a plan over one block of images.

use super::{Pixels, Plan, Workspace};
use crate::EngineError;
use crate::kernels::Stored;

impl Plan {
    /// Runs `images` images on the calling thread and leaves every tap in the workspace ([`Workspace::tap`]).
    /// The bits of a row depend neither on `images` nor on the row's place nor on the other taps.
    ///
    /// # Errors
    /// When `pixels` does not hold `images` images of the compiled size.
    pub fn run(&self, pixels: Pixels<'_>, images: usize, workspace: &mut Workspace) -> Result<(), EngineError> {
        let mut taps = std::mem::take(&mut workspace.taps);
        taps.resize_with(self.taps.len(), Vec::new);
        let result = self.run_each(pixels, images, workspace, |tap, values| {
            taps[tap].clear();
            taps[tap].extend_from_slice(values);
        });
        workspace.taps = taps;
        result
    }

    /// Runs `images` images on the calling thread and hands over each tap (its index and values
    /// `[images, shape.len()]`) as soon as it is known, while it is still in the cache; its buffer is reused afterwards.
    ///
    /// # Errors
    /// When `pixels` does not hold `images` images of the compiled size.
    pub fn run_each(
        &self,
        pixels: Pixels<'_>,
        images: usize,
        workspace: &mut Workspace,
        mut sink: impl FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        let mut widened = std::mem::take(&mut workspace.widened);
        let result = self.run_stored(pixels, images, workspace, |tap, values| match values {
            Stored::F32(values) => sink(tap, values),
            Stored::Bf16(halves) => {
                widened.grow(halves.len());
                values.widen_to(&mut widened[..halves.len()]);
                sink(tap, &widened[..halves.len()]);
            }
        });
        workspace.widened = widened;
        result
    }

    /// As [`Plan::run_each`], with taps as they are stored: widening a part at a time spares a pass through memory.
    ///
    /// # Errors
    /// As [`Plan::run_each`].
    pub fn run_stored(
        &self,
        pixels: Pixels<'_>,
        images: usize,
        workspace: &mut Workspace,
        sink: impl FnMut(usize, Stored<'_>),
    ) -> Result<(), EngineError> {
        self.run_watched(pixels, images, workspace, sink, |_| {})
    }

    /// As [`Plan::run_stored`], with `finished` called after each step with its place in [`Plan::steps`]: to see where the time goes.
    ///
    /// # Errors
    /// When `pixels` does not hold `images` images of the compiled size.
    pub fn run_watched(
        &self,
        pixels: Pixels<'_>,
        images: usize,
        workspace: &mut Workspace,
        mut sink: impl FnMut(usize, Stored<'_>),
        mut finished: impl FnMut(usize),
    ) -> Result<(), EngineError> {
        pixels.check(images, self.input_length)?;
        workspace.slots.resize_with(workspace.slots.len().max(self.slots.len()), Default::default);
        for (slot, &length) in workspace.slots.iter_mut().zip(&self.slots) {
            slot.grow(images * length);
        }
        for (at, step) in self.steps.iter().enumerate() {
            step.run(self.isa, pixels, images, &mut workspace.slots, &mut workspace.scratch);
            for &(tap, slot) in &step.slotted.taps {
                let (slot, length) = (&workspace.slots[slot], images * self.taps[tap].shape.len());
                sink(
                    tap,
                    if self.tap_halves[tap] {
                        Stored::Bf16(&slot.halves()[..length])
                    } else {
                        Stored::F32(&slot[..length])
                    },
                );
            }
            finished(at);
        }
        Ok(())
    }
}
