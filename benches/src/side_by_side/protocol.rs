//! One line in, one line out.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;

use super::{Task, files};
use crate::Result;

/// Answers commands on standard input until `quit` or its end: `run N` with the mean seconds of N
/// repetitions, the last of which ends when `device` is idle, `output` with the path of a safetensors
/// file written to `output`, `peak` with the process's memory in MiB: its peak, and `before` the task was
/// opened. Says `ready` first.
///
/// # Errors
/// Those of the task, and a command that is none of these.
pub fn serve(task: &mut dyn Task, device: &Device, before: f64, output: &Path) -> Result<()> {
    reply("ready")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["run", count] => {
                let count: u32 = count.parse()?;
                let started = Instant::now();
                for _ in 0..count {
                    task.run()?;
                }
                device.sync()?;
                reply(&format!(
                    "{}",
                    started.elapsed().as_secs_f64() / f64::from(count.max(1))
                ))?;
            }
            ["output"] => {
                files::save(output, &task.output()?)?;
                reply(&output.display().to_string())?;
            }
            ["peak"] => reply(&format!("{:.1} {before:.1}", memory_mib("VmHWM:")?))?,
            ["quit"] => return Ok(()),
            _ => {
                return Err(format!("no command {line:?}; use run N, output, peak or quit").into());
            }
        }
    }
    Ok(())
}

fn reply(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A figure of `/proc/self/status` in MiB, on Linux: `VmHWM:` is the peak of resident memory, `VmRSS:`
/// what is resident now.
///
/// # Errors
/// Where there is no such figure.
pub fn memory_mib(figure: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = (status.lines()).find_map(|line| line.strip_prefix(figure));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib
        .ok_or_else(|| format!("no {figure} in /proc/self/status"))?
        .parse()?;
    Ok(kib / 1024.0)
}
