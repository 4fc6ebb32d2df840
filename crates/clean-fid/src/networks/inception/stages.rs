//! The layer table, under the names of torchvision's `inception_v3`.

use super::builder::{Builder, Step};
use super::mixed::{Mixed, Pool};
use super::unit::Unit;
use crate::Error;

const ONE: [usize; 2] = [1, 1];
const THREE: [usize; 2] = [3, 3];
const FIVE: [usize; 2] = [5, 5];

/// Entries of the last mean.
pub(super) const FEATURES: usize = 2048;
/// Classes of the graph of 2015; torchvision's own weights have 1,000.
pub(super) const CLASSES: usize = 1008;

/// The convolutions before the blocks.
pub(super) struct Stem {
    pub(super) entry: Unit,
    /// After the entry, up to the first pool.
    pub(super) first: Vec<Unit>,
    /// Up to the second pool.
    pub(super) second: Vec<Unit>,
}

pub(super) fn stem(builder: &mut Builder<'_>) -> Result<Stem, Error> {
    let first = [
        Step::valid("Conv2d_2a_3x3", 32, 1),
        Step::same("Conv2d_2b_3x3", 64, THREE),
    ];
    let second = [
        Step::same("Conv2d_3b_1x1", 80, ONE),
        Step::valid("Conv2d_4a_3x3", 192, 1),
    ];
    Ok(Stem {
        entry: builder.unit("", 3, Step::valid("Conv2d_1a_3x3", 32, 2))?,
        first: builder.chain("", 32, &first)?,
        second: builder.chain("", 64, &second)?,
    })
}

/// The eleven blocks after the stem.
pub(super) fn mixed(builder: &mut Builder<'_>) -> Result<Vec<Mixed>, Error> {
    Ok(vec![
        block_a(builder, "Mixed_5b.", 192, 32)?,
        block_a(builder, "Mixed_5c.", 256, 64)?,
        block_a(builder, "Mixed_5d.", 288, 64)?,
        block_b(builder, "Mixed_6a.", 288)?,
        block_c(builder, "Mixed_6b.", 768, 128)?,
        block_c(builder, "Mixed_6c.", 768, 160)?,
        block_c(builder, "Mixed_6d.", 768, 160)?,
        block_c(builder, "Mixed_6e.", 768, 192)?,
        block_d(builder, "Mixed_7a.", 768)?,
        block_e(builder, "Mixed_7b.", 1280, Pool::Average)?,
        block_e(builder, "Mixed_7c.", 2048, Pool::Max)?,
    ])
}

/// 35 × 35 pixels: to `224 + pooled` channels.
fn block_a(
    builder: &mut Builder<'_>,
    prefix: &str,
    input: usize,
    pooled: usize,
) -> Result<Mixed, Error> {
    let paths: [&[Step]; 3] = [
        &[Step::same("branch1x1", 64, ONE)],
        &[
            Step::same("branch5x5_1", 48, ONE),
            Step::same("branch5x5_2", 64, FIVE),
        ],
        &[
            Step::same("branch3x3dbl_1", 64, ONE),
            Step::same("branch3x3dbl_2", 96, THREE),
            Step::same("branch3x3dbl_3", 96, THREE),
        ],
    ];
    let pooled = Step::same("branch_pool", pooled, ONE);
    block(
        builder,
        prefix,
        input,
        &paths.map(|path| (path, [].as_slice())),
        Pool::Average,
        Some(pooled),
    )
}

/// 35 × 35 to 17 × 17 pixels: to `480 + input` channels.
fn block_b(builder: &mut Builder<'_>, prefix: &str, input: usize) -> Result<Mixed, Error> {
    let paths: [&[Step]; 2] = [
        &[Step::valid("branch3x3", 384, 2)],
        &[
            Step::same("branch3x3dbl_1", 64, ONE),
            Step::same("branch3x3dbl_2", 96, THREE),
            Step::valid("branch3x3dbl_3", 96, 2),
        ],
    ];
    block(
        builder,
        prefix,
        input,
        &paths.map(|path| (path, [].as_slice())),
        Pool::Halve,
        None,
    )
}

/// 17 × 17 pixels: to 768 channels, `inner` on the way.
fn block_c(
    builder: &mut Builder<'_>,
    prefix: &str,
    input: usize,
    inner: usize,
) -> Result<Mixed, Error> {
    let paths: [&[Step]; 3] = [
        &[Step::same("branch1x1", 192, ONE)],
        &[
            Step::same("branch7x7_1", inner, ONE),
            Step::same("branch7x7_2", inner, [1, 7]),
            Step::same("branch7x7_3", 192, [7, 1]),
        ],
        &[
            Step::same("branch7x7dbl_1", inner, ONE),
            Step::same("branch7x7dbl_2", inner, [7, 1]),
            Step::same("branch7x7dbl_3", inner, [1, 7]),
            Step::same("branch7x7dbl_4", inner, [7, 1]),
            Step::same("branch7x7dbl_5", 192, [1, 7]),
        ],
    ];
    let pooled = Step::same("branch_pool", 192, ONE);
    block(
        builder,
        prefix,
        input,
        &paths.map(|path| (path, [].as_slice())),
        Pool::Average,
        Some(pooled),
    )
}

/// 17 × 17 to 8 × 8 pixels: to `512 + input` channels.
fn block_d(builder: &mut Builder<'_>, prefix: &str, input: usize) -> Result<Mixed, Error> {
    let paths: [&[Step]; 2] = [
        &[
            Step::same("branch3x3_1", 192, ONE),
            Step::valid("branch3x3_2", 320, 2),
        ],
        &[
            Step::same("branch7x7x3_1", 192, ONE),
            Step::same("branch7x7x3_2", 192, [1, 7]),
            Step::same("branch7x7x3_3", 192, [7, 1]),
            Step::valid("branch7x7x3_4", 192, 2),
        ],
    ];
    block(
        builder,
        prefix,
        input,
        &paths.map(|path| (path, [].as_slice())),
        Pool::Halve,
        None,
    )
}

/// 8 × 8 pixels: to 2048 channels.
fn block_e(
    builder: &mut Builder<'_>,
    prefix: &str,
    input: usize,
    pool: Pool,
) -> Result<Mixed, Error> {
    let paths: [(&[Step], &[Step]); 3] = [
        (&[Step::same("branch1x1", 320, ONE)], &[]),
        (
            &[Step::same("branch3x3_1", 384, ONE)],
            &[
                Step::same("branch3x3_2a", 384, [1, 3]),
                Step::same("branch3x3_2b", 384, [3, 1]),
            ],
        ),
        (
            &[
                Step::same("branch3x3dbl_1", 448, ONE),
                Step::same("branch3x3dbl_2", 384, THREE),
            ],
            &[
                Step::same("branch3x3dbl_3a", 384, [1, 3]),
                Step::same("branch3x3dbl_3b", 384, [3, 1]),
            ],
        ),
    ];
    let pooled = Step::same("branch_pool", 192, ONE);
    block(builder, prefix, input, &paths, pool, Some(pooled))
}

/// Paths are chain and fork; `pooled` is the unit after the pool.
fn block(
    builder: &mut Builder<'_>,
    prefix: &str,
    input: usize,
    paths: &[(&[Step], &[Step])],
    pool: Pool,
    pooled: Option<Step>,
) -> Result<Mixed, Error> {
    let branches = paths
        .iter()
        .map(|(chain, fork)| builder.branch(prefix, input, chain, fork))
        .collect::<Result<_, Error>>()?;
    let pooled = pooled
        .map(|step| builder.unit(prefix, input, step))
        .transpose()?;
    Ok(Mixed {
        branches,
        pool,
        pooled,
    })
}
