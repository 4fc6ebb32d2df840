//! A batch over several devices.

use std::any::Any;
use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::batch::{Batch, DeviceBatch};
use super::loss::mean_loss;
use super::parameter_vector;
use crate::{BlockSource, Error, UNet1d};

/// The part of a batch that one device computes: its rows in parts that fit its memory, each with its share
/// of the batch.
pub(super) struct Work {
    device: Device,
    parts: Vec<(f64, DeviceBatch)>,
}

/// Loss and gradient of some rows, weighted by their share of the batch.
type Sums = (Tensor<1>, Tensor<1>);

impl Work {
    /// Moves the rows `part` of `batch` to `device`.
    pub(super) fn new(
        batch: &Batch,
        part: Range<usize>,
        micro_batch: usize,
        dataset: &dyn BlockSource,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for first in part.clone().step_by(micro_batch) {
            let rows = first..part.end.min(first + micro_batch);
            let share = rows.len() as f64 / batch.rows() as f64;
            parts.push((share, batch.upload(rows, dataset, device)?));
        }
        Ok(Self {
            device: device.clone(),
            parts,
        })
    }

    /// Computes loss and gradient; nothing if there are no rows.
    fn run(self, model: &UNet1d) -> Option<Sums> {
        let mut sums: Option<Sums> = None;
        for (share, part) in self.parts {
            let loss = mean_loss(model, part).mul_scalar(share);
            let mut gradients = loss.backward();
            let gradient = parameter_vector::gradients(model, &mut gradients);
            let loss = loss.without_autodiff();
            sums = Some(match sums {
                None => (loss, gradient),
                Some((losses, gradients)) => (losses + loss, gradients + gradient),
            });
        }
        sums
    }
}

/// The rows of each of `devices` devices, as even as possible.
pub(super) fn shares(rows: usize, devices: usize) -> impl Iterator<Item = Range<usize>> {
    (0..devices).map(move |i| rows * i / devices..rows * (i + 1) / devices)
}

/// Loss and gradient of all rows on the device of the first `work`: it computes its own rows with `model`,
/// while the others compute theirs with copies.
///
/// # Errors
/// Returns [`Error::DeviceFailed`] if one of the others fails, and [`Error::EmptyDataset`] if there are no
/// rows.
pub(super) fn loss_and_gradient(model: &UNet1d, work: Vec<Work>) -> Result<Sums, Error> {
    let mut work = work.into_iter();
    let empty = || Error::EmptyDataset {
        missing: "rows for a batch",
    };
    let own = work.next().ok_or_else(empty)?;
    let main = own.device.clone().without_autodiff();
    let others: Vec<(usize, Work)> = (work.enumerate())
        .filter(|(_, work)| !work.parts.is_empty())
        .collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = others
            .into_iter()
            .map(|(index, work)| {
                let (main, model) = (main.clone(), model.clone());
                let name = format!("{:?}", work.device);
                // On a thread of its own, a device that fails takes down no other.
                let thread = scope.spawn(move || {
                    let device = work.device.clone();
                    let (loss, gradient) = work.run(&model.fork(&device))?;
                    Some((loss.to_device(&main), gradient.to_device(&main)))
                });
                (index, name, thread)
            })
            .collect();
        let mut sums = own.run(model);
        let mut failed = None;
        for (index, device, thread) in threads {
            match thread.join() {
                Ok(None) => {}
                Ok(Some((loss, gradient))) => {
                    sums = Some(match sums {
                        None => (loss, gradient),
                        Some((losses, gradients)) => (losses + loss, gradients + gradient),
                    });
                }
                Err(panic) => {
                    failed.get_or_insert(Error::DeviceFailed {
                        index,
                        device,
                        message: message(&*panic),
                    });
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => sums.ok_or_else(empty),
        }
    })
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason given".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UNet1dConfig;
    use encoded_text::{EncodedPrompt, TextCondition};

    #[test]
    fn rows_are_shared_evenly_and_none_is_lost() {
        for (rows, devices) in [(8, 1), (8, 2), (7, 3), (2, 5), (0, 2)] {
            let parts: Vec<_> = shares(rows, devices).collect();
            assert_eq!(parts.len(), devices);
            assert_eq!((parts[0].start, parts[devices - 1].end), (0, rows));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            let lens: Vec<usize> = parts.iter().map(Range::len).collect();
            assert!(
                lens.iter().max() <= lens.iter().min().map(|n| n + 1).as_ref(),
                "{lens:?}"
            );
        }
    }

    /// A batch of one row, of blocks of `size`.
    fn work(size: usize, device: &Device) -> Result<Work, Error> {
        let row = || Tensor::zeros([1, size], device);
        let text = TextCondition::from_host(&[&EncodedPrompt::empty()], 4, device)?;
        let (t, n) = (Tensor::zeros([1], device), Tensor::zeros([1], device));
        let batch = DeviceBatch {
            noisy: row(),
            target: row(),
            weights: None,
            t,
            n,
            text,
        };
        Ok(Work {
            device: device.clone(),
            parts: vec![(0.5, batch)],
        })
    }

    #[test]
    fn a_device_that_fails_is_named_and_takes_no_other_down() -> Result<(), Error> {
        let device = Device::flex().autodiff();
        let config = UNet1dConfig {
            context_width: 4,
            ..UNet1dConfig::compact()
        };
        let model = UNet1d::new(&config, 0, &device)?;
        let good = || work(config.block_size, &device);
        loss_and_gradient(&model, vec![good()?, good()?])?;
        // A shape that the network cannot take panics on the thread, as running out of memory would.
        let bad = work(config.block_size + 1, &device)?;
        let error = loss_and_gradient(&model, vec![good()?, good()?, bad]).err();
        let Some(Error::DeviceFailed {
            index,
            device,
            message,
        }) = error
        else {
            return Err(Error::shape("failures", 1, 0));
        };
        assert!(index == 1 && device.contains("Flex") && !message.is_empty());
        loss_and_gradient(&model, vec![good()?])?;
        Ok(())
    }

    #[test]
    fn panics_say_what_they_said() {
        let said = |panic: Box<dyn Any + Send>| message(&*panic);
        assert_eq!(said(Box::new("lost")), "lost");
        assert_eq!(said(Box::new("lost".to_owned())), "lost");
        assert_eq!(said(Box::new(1)), "no reason given");
    }
}
