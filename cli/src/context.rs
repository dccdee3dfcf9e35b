//! What a command works with: the options of every command, made use of.

use std::path::Path;

use colony_bus::presence::Status;
use colony_bus::{Bus, BusOptions, Credentials, ServerOptions};
use colony_core::signature::Signer;
use colony_core::{AgentName, LaneName};

use crate::failure::{Failure, InputError};
use crate::options::Global;
use crate::output::Output;

/// The agent's name where neither an option nor the system tells one.
const NOBODY: &str = "cli";

/// The options of every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    /// Returns where the command's results go.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.global.json)
    }

    /// Returns the agent to act for: as told, else the user of the system.
    pub(crate) fn agent(&self) -> AgentName {
        let user = || {
            let names = ["USER", "LOGNAME", "USERNAME"].into_iter();
            names.filter_map(|name| std::env::var(name).ok()).find_map(|name| name.parse().ok())
        };
        let nobody = || {
            #[expect(clippy::unwrap_used, reason = "a constant that is a name")]
            NOBODY.parse().unwrap()
        };
        self.global.agent.clone().or_else(user).unwrap_or_else(nobody)
    }

    /// Returns the same options, for another agent.
    pub(crate) fn acting_as(&self, agent: AgentName) -> Self {
        Self { global: Global { agent: Some(agent), ..self.global.clone() } }
    }

    /// Joins the space at the server.
    pub(crate) async fn bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::connect(self.bus_options(self.global.instance.clone())?).await?)
    }

    /// Joins the space on a lane of its own, whatever `--instance` says: what others wrote is appended in their name.
    pub(crate) async fn importing_bus(&self) -> Result<Bus, Failure> {
        Ok(Bus::connect(self.bus_options(None)?).await?)
    }

    /// Tells the others what this process is doing, for as long as the bus lives. Nothing rests on it.
    pub(crate) async fn announce(&self, bus: &Bus, working_on: Option<String>) {
        let status = Status { state: "watching".to_owned(), working_on, ..Status::default() };
        if let Err(error) = bus.presence().announce(status).await {
            tracing::debug!(%error, "presence could not be told");
        }
    }

    pub(crate) fn bus_options(&self, instance: Option<LaneName>) -> Result<BusOptions, Failure> {
        let mut options = BusOptions::new(self.global.space.clone(), self.agent());
        options.instance = instance;
        options.server = self.server_options()?;
        if self.global.sign {
            options.signer = Some(self.signer()?);
        }
        Ok(options)
    }

    /// Returns how the server is reached.
    pub(crate) fn server_options(&self) -> Result<ServerOptions, Failure> {
        let Global { server, key, creds, ca, .. } = &self.global;
        let credentials = match (creds, key) {
            (Some(file), _) => Credentials::File(file.clone()),
            (None, Some(file)) => Credentials::NkeySeed(read_seed(file)?),
            (None, None) => Credentials::None,
        };
        // Credentials made by `colony agent key` allow the agent's own inboxes only.
        let inbox_prefix = match credentials {
            Credentials::NkeySeed(_) => colony_server::inbox_prefix(self.agent().as_str()).ok(),
            Credentials::File(_) | Credentials::None => None,
        };
        Ok(ServerOptions {
            url: server.clone(),
            credentials,
            certificate_authority: ca.clone(),
            inbox_prefix,
            ..ServerOptions::default()
        })
    }

    /// Returns the key given with `--key`.
    pub(crate) fn signer(&self) -> Result<Signer, Failure> {
        let path = self.global.key.as_ref().ok_or(InputError::NoKey)?;
        let seed = read_seed(path)?;
        let signer = Signer::from_seed(&seed);
        Ok(signer.map_err(|source| InputError::Key { path: path.clone(), source })?)
    }
}

fn read_seed(path: &Path) -> Result<String, Failure> {
    let seed = std::fs::read_to_string(path).map_err(Failure::file(path, "read"))?;
    let seed = seed.trim().to_owned();
    match Signer::from_seed(&seed) {
        Ok(_) => Ok(seed),
        Err(source) => Err(InputError::Key { path: path.to_owned(), source }.into()),
    }
}
