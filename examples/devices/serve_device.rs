//! Lends this machine's devices to programs on this and other machines.
//!
//! ```sh
//! cargo run --release --features remote --example serve_device -- --listen 127.0.0.1:3000
//! cargo run --release --features remote --example train_generator -- \
//!     --zoo assets/zoo --out out/denoiser --with-device remote:ws://127.0.0.1:3000
//! ```

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use burn::server::{EmptyToken, RemoteServer, ServeError, TokenAuthorizer, WebSocketTransport};
use clap::Parser;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{parse, run};
use device_names::{DeviceError, TOKEN, token};

/// Lend devices of this machine to other programs as `--device remote:ws://HOST:PORT` (with `/1` at the end for the
/// second device, and so on), until Ctrl+C or SIGTERM. The programs must be of the same version.
///
/// The connection is not encrypted: on a network that you do not trust, use an SSH tunnel or a VPN. If the environment
/// variable DEVICE_TOKEN is set, clients must set it to the same value; for clients on other machines it is required.
#[derive(Parser)]
struct Args {
    /// A device to lend: flex, wgpu, vulkan or cuda, the last three with :INDEX if there are several. May be given
    /// several times, but flex cannot be combined with the others.
    #[arg(long, default_value = "flex")]
    device: Vec<String>,
    /// Print the devices of this build and machine, and exit.
    #[arg(long)]
    list_devices: bool,
    /// Address on which clients are accepted; 0.0.0.0 means every network of this machine, port 0 any free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "--device {0}: a device of another server cannot be lent again; give clients that server's address"
    )]
    Borrowed(String),
    #[error(
        "--listen {0}: everyone who can reach that address could compute here; set the environment variable {TOKEN} to a \
         secret, here and where the clients run, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    #[error("the environment variable {TOKEN} is empty; give it a value, or unset it")]
    Token(#[from] EmptyToken),
    #[error("--listen {at}: {source}; choose another port, or stop the program that listens there")]
    Listen {
        at: SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Device(#[from] DeviceError),
}

fn main() -> ExitCode {
    let args: Args = parse();
    run(|| Ok(serve(&args)?))
}

fn serve(args: &Args) -> Result<(), Error> {
    let mut lent = Vec::new();
    for name in &args.device {
        if name.starts_with("remote:") {
            return Err(Error::Borrowed(name.clone()));
        }
        lent.push(device_names::open(name)?);
    }
    let mut server = RemoteServer::new(lent);
    match token()? {
        Some(token) => server = server.with_authorizer(TokenAuthorizer::new(token)?),
        None if !args.listen.ip().is_loopback() => return Err(Error::Open(args.listen)),
        None => {}
    }
    let listen = |source| Error::Listen {
        at: args.listen,
        source,
    };
    let listener = TcpListener::bind(args.listen).map_err(listen)?;
    let at = listener.local_addr().map_err(listen)?;
    println!("lending {} at remote:ws://{at}", args.device.join(", "));
    server.serve(WebSocketTransport::from_listener(listener))?;
    Ok(())
}
