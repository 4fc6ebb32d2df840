//! What a fine-tuning keeps beside the states of its trainer, so that a continued one makes its start only once.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use finetune::{ConceptTrainer, Start};
use serde::{Deserialize, Serialize};
use tensor_file::{load_safetensors, save_safetensors};

use super::Measurement;
use crate::Error;
use crate::error::Result;
use crate::run::write_json;

const START: &str = "start.safetensors";
/// Written last: without it, nothing has begun.
const RECORD: &str = "fine-tuning.json";

/// A fine-tuning that has its start.
pub(super) struct Begun {
    pub(super) start: Start,
    /// Seconds that making the start took.
    pub(super) predict_seconds: f64,
    /// Measured so far.
    pub(super) curve: Vec<Measurement>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    origin: Option<String>,
    predict_seconds: f64,
    curve: Vec<Measurement>,
}

impl Begun {
    pub(super) fn is_in(state: &Path) -> bool {
        state.join(RECORD).exists()
    }

    /// What is in the folder `state`, if anything.
    pub(super) fn read(state: &Path) -> Result<Option<Self>> {
        let path = state.join(RECORD);
        let bytes = match std::fs::read(&path) {
            Err(error)
                if error.kind() == ErrorKind::NotFound && !ConceptTrainer::has_state(state)? =>
            {
                return Ok(None);
            }
            read => read.map_err(|source| Error::NoRunRecord {
                path: path.clone(),
                source,
            })?,
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|source| Error::BadRunFile { path, source })?;
        let (weights, _) = load_safetensors(state.join(START))?;
        Ok(Some(Self {
            start: Start {
                weights,
                origin: record.origin,
            },
            predict_seconds: record.predict_seconds,
            curve: record.curve,
        }))
    }

    pub(super) fn write_start(&self, state: &Path) -> Result<()> {
        save_safetensors(state.join(START), &self.start.weights, &BTreeMap::new())?;
        self.write_curve(state)
    }

    pub(super) fn write_curve(&self, state: &Path) -> Result<()> {
        let record = Record {
            origin: self.start.origin.clone(),
            predict_seconds: self.predict_seconds,
            curve: self.curve.clone(),
        };
        write_json(&state.join(RECORD), &record)
    }
}
