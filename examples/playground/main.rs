//! A local web page to play with.
//!
//! ```sh
//! cargo run --release --example playground
//! ```

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::options::{DataArgs, ModelArgs};
use denoised_weights_playground::{Access, Playground, Workbench, serve};

/// Serve a web page on this machine: type a prompt and see photographs edited, train your own style on pairs, take the
/// adapters away. Ctrl+C ends it; a running training continues at the next start.
#[derive(Parser)]
#[command(mut_arg("json", |json| json.hide(true).value_parser(no_json)))]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Address to listen on, such as localhost:7080; port 0 takes a free one. Addresses that other machines can reach need
    /// --token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7080", value_parser = address)]
    listen: SocketAddr,
    /// Ask for this token (16 or more letters and digits), which is part of the printed address [default:
    /// $PLAYGROUND_TOKEN]. There is no encryption; on an open network, put a TLS proxy in front of it.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Folder of the trainings.
    #[arg(long, value_name = "DIR", default_value = "out/playground")]
    out: PathBuf,
}

/// The variable that may hold the token: other users of the machine can read command lines.
const TOKEN: &str = "PLAYGROUND_TOKEN";

/// An address, or that of a host's name; IPv4 if there are both.
fn address(text: &str) -> Result<SocketAddr, String> {
    const EXPECTED: &str = "give an address or a name with a port, such as localhost:7080";
    let found = text.to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|e| format!("{e}; {EXPECTED}"))?.collect();
    let ipv4 = found.iter().find(|address| address.is_ipv4());
    ipv4.or(found.first())
        .copied()
        .ok_or_else(|| EXPECTED.to_owned())
}

/// Refuses `--json`, which the other programs have.
fn no_json(_: &str) -> Result<PathBuf, String> {
    Err("a server has no result to write; the page offers the report of each training".to_owned())
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| playground(&args))
}

fn playground(args: &Args) -> Result<()> {
    let token = args.token.clone().or_else(|| std::env::var(TOKEN).ok());
    let access = Access::new(args.listen, token)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()?;
    // Before the model is loaded, so that a port in use is told at once.
    let listener = runtime.block_on(tokio::net::TcpListener::bind(args.listen));
    let listener =
        listener.map_err(|error| format!("{}: {error}; choose another --listen", args.listen))?;
    let device = args.common.device()?;
    let predictor = args.model.load_predictor(&device)?;
    let bench = Workbench::new(predictor, args.data.of(args.model.paths()))?;
    let bench = bench
        .with_seed(args.common.seed)
        .with_text_encoder(args.model.text.folder())
        .with_device_name(&args.common.device);
    denoised_weights_examples::files::check_writable(&args.out)?;
    let playground = Playground::open(bench, &args.out)?;
    println!("open {}", access.clone().at(listener.local_addr()?).url());
    println!(
        "trainings are kept in {}; Ctrl+C ends the server",
        display(&args.out)
    );
    runtime.block_on(serve(listener, access, playground, ended()))?;
    println!("ended; running trainings continue at the next start");
    Ok(())
}

/// Ctrl+C, or the signal that service managers send.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
