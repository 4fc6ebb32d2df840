//! The sets of pairs that are put together at the moment.

use std::collections::BTreeMap;

use axum::http::StatusCode;

use crate::limits;
use crate::refusal::{Refusal, Result};
use crate::slot::{Row, Side};
use crate::uploads::{Draft, Halves};
use crate::workbench::Workbench;

/// The drafts of all clients, by number.
#[derive(Default)]
pub(crate) struct Drafts {
    drafts: BTreeMap<u64, Draft>,
    made: u64,
    clock: u64,
}

impl Drafts {
    /// A new draft; the one that was not touched for longest makes room.
    pub(crate) fn open(&mut self) -> u64 {
        while self.drafts.len() >= limits::DRAFTS {
            let oldest = self.drafts.iter().min_by_key(|(_, draft)| draft.touched);
            let Some((&oldest, _)) = oldest else { break };
            self.drafts.remove(&oldest);
        }
        self.made += 1;
        self.drafts.insert(self.made, Draft::default());
        self.touch(self.made);
        self.made
    }

    fn touch(&mut self, id: u64) {
        self.clock += 1;
        if let Some(draft) = self.drafts.get_mut(&id) {
            draft.touched = self.clock;
        }
    }

    pub(crate) fn get(&mut self, id: u64) -> Result<&mut Draft> {
        self.touch(id);
        self.drafts.get_mut(&id).ok_or_else(|| {
            let message = "the server no longer has this set of pairs; add the pictures again";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })
    }

    pub(crate) fn add(
        &mut self,
        bench: &Workbench,
        id: u64,
        (side, name): (Side, &str),
        halves: Halves,
    ) -> Result<Vec<Row>> {
        let draft = self.get(id)?;
        draft.add(bench, side, name, halves)?;
        Ok(draft.rows())
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.drafts.remove(&id);
    }
}
