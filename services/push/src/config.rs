use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use godwit_outbound::Reach;
use godwit_runtime::Secret;
use url::Url;

use crate::push_service::{Apns, ApnsOptions, Fcm, FcmOptions, ProviderClient, ProviderOptions, ServiceAccount};

/// Options of the push service.
#[derive(clap::Args)]
pub struct Config {
    /// The private key that signs Web Pushes (VAPID, RFC 8292): 32 bytes in base64url. Subscriptions are bound to it, so
    /// it must never change. Without it one is made at first use and kept in the database.
    #[arg(
        long = "push-vapid-private-key",
        env = "GODWIT_PUSH_VAPID_PRIVATE_KEY",
        value_name = "GODWIT_PUSH_VAPID_PRIVATE_KEY",
        hide_env_values = true
    )]
    pub vapid_private_key: Option<Secret>,

    /// Where push services can reach the operator: a mailto: or https: address. Some refuse one that cannot be real.
    #[arg(
        long = "push-vapid-subject",
        env = "GODWIT_PUSH_VAPID_SUBJECT",
        value_name = "GODWIT_PUSH_VAPID_SUBJECT",
        default_value = "mailto:push@localhost"
    )]
    pub vapid_subject: String,

    /// For development: push endpoints may lie in private networks, and on this machine be plain http.
    #[arg(
        long = "push-allow-private-endpoints",
        env = "GODWIT_PUSH_ALLOW_PRIVATE_ENDPOINTS",
        value_name = "GODWIT_PUSH_ALLOW_PRIVATE_ENDPOINTS",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub allow_private_endpoints: bool,

    /// How long after it was sent a message is still worth a notification, in seconds.
    #[arg(
        long = "push-ttl-secs",
        env = "GODWIT_PUSH_TTL_SECS",
        value_name = "GODWIT_PUSH_TTL_SECS",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u32).range(60..=2_419_200)
    )]
    pub ttl_secs: u32,

    /// How many notifications are on their way at once, to each push service.
    #[arg(
        long = "push-concurrency",
        env = "GODWIT_PUSH_CONCURRENCY",
        value_name = "GODWIT_PUSH_CONCURRENCY",
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=1_024)
    )]
    pub concurrency: u16,

    /// How long a push service may take to answer, in seconds.
    #[arg(
        long = "push-send-timeout-secs",
        env = "GODWIT_PUSH_SEND_TIMEOUT_SECS",
        value_name = "GODWIT_PUSH_SEND_TIMEOUT_SECS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub send_timeout_secs: u32,

    /// The key of the team at Apple that signs provider tokens: PEM, as in its .p8 file. Without it there is no Apple.
    #[arg(
        long = "push-apns-key",
        env = "GODWIT_PUSH_APNS_KEY",
        value_name = "GODWIT_PUSH_APNS_KEY",
        hide_env_values = true
    )]
    pub apns_key: Option<Secret>,

    /// The id of that key.
    #[arg(long = "push-apns-key-id", env = "GODWIT_PUSH_APNS_KEY_ID", value_name = "GODWIT_PUSH_APNS_KEY_ID")]
    pub apns_key_id: Option<String>,

    /// The id of the team.
    #[arg(long = "push-apns-team-id", env = "GODWIT_PUSH_APNS_TEAM_ID", value_name = "GODWIT_PUSH_APNS_TEAM_ID")]
    pub apns_team_id: Option<String>,

    /// The bundle id of the app; calls go to its .voip.
    #[arg(long = "push-apns-topic", env = "GODWIT_PUSH_APNS_TOPIC", value_name = "GODWIT_PUSH_APNS_TOPIC")]
    pub apns_topic: Option<String>,

    /// Where Apple takes notifications; https. For development builds of the app `https://api.sandbox.push.apple.com`.
    #[arg(
        long = "push-apns-url",
        env = "GODWIT_PUSH_APNS_URL",
        value_name = "GODWIT_PUSH_APNS_URL",
        default_value = "https://api.push.apple.com"
    )]
    pub apns_url: String,

    /// The service account of the project at Google: the JSON of its file. Without it there is no Google.
    #[arg(
        long = "push-fcm-service-account",
        env = "GODWIT_PUSH_FCM_SERVICE_ACCOUNT",
        value_name = "GODWIT_PUSH_FCM_SERVICE_ACCOUNT",
        hide_env_values = true
    )]
    pub fcm_service_account: Option<Secret>,

    /// Where Google takes notifications; https.
    #[arg(
        long = "push-fcm-url",
        env = "GODWIT_PUSH_FCM_URL",
        value_name = "GODWIT_PUSH_FCM_URL",
        default_value = "https://fcm.googleapis.com"
    )]
    pub fcm_url: String,

    /// Where Google gives access tokens, if not where the service account says; https.
    #[arg(long = "push-fcm-token-url", env = "GODWIT_PUSH_FCM_TOKEN_URL", value_name = "GODWIT_PUSH_FCM_TOKEN_URL")]
    pub fcm_token_url: Option<Url>,

    /// An authority that is trusted with Apple's and Google's addresses besides the public ones, for proxies: a PEM file.
    #[arg(
        long = "push-provider-root-ca",
        env = "GODWIT_PUSH_PROVIDER_ROOT_CA",
        value_name = "GODWIT_PUSH_PROVIDER_ROOT_CA"
    )]
    pub provider_root_ca: Option<PathBuf>,

    /// How long it is kept who was told, after it is too late to tell, in seconds.
    #[arg(
        long = "push-record-ttl-secs",
        env = "GODWIT_PUSH_RECORD_TTL_SECS",
        value_name = "GODWIT_PUSH_RECORD_TTL_SECS",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u32).range(0..=2_592_000)
    )]
    pub record_ttl_secs: u32,
}

impl Config {
    /// Which endpoints are taken.
    pub const fn reach(&self) -> Reach {
        if self.allow_private_endpoints { Reach::Anywhere } else { Reach::PublicOnly }
    }

    /// How long a push service may take to answer.
    pub const fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout_secs as u64)
    }

    /// The way to Apple, if there is an account.
    ///
    /// # Errors
    /// When what is set is not all, or wrong; the error names the variable.
    pub fn apns(&self) -> anyhow::Result<Option<Apns>> {
        let Some(key) = &self.apns_key else {
            return Ok(None);
        };
        let needed = |value: &Option<String>, name: &str| {
            value.clone().with_context(|| format!("{name} is needed with GODWIT_PUSH_APNS_KEY"))
        };
        let options = ApnsOptions {
            key_pem: key.expose().to_owned(),
            key_id: needed(&self.apns_key_id, "GODWIT_PUSH_APNS_KEY_ID")?,
            team_id: needed(&self.apns_team_id, "GODWIT_PUSH_APNS_TEAM_ID")?,
            topic: needed(&self.apns_topic, "GODWIT_PUSH_APNS_TOPIC")?,
        };
        let client = ProviderClient::new(&self.provider(&self.apns_url)).context("GODWIT_PUSH_APNS_URL")?;
        Ok(Some(Apns::new(client, options).context("GODWIT_PUSH_APNS_KEY")?))
    }

    /// The way to Google, if there is an account.
    ///
    /// # Errors
    /// When what is set is wrong; the error names the variable.
    pub fn fcm(&self) -> anyhow::Result<Option<Fcm>> {
        let Some(account) = &self.fcm_service_account else {
            return Ok(None);
        };
        let account = ServiceAccount::parse(account.expose()).context("GODWIT_PUSH_FCM_SERVICE_ACCOUNT")?;
        let client = ProviderClient::new(&self.provider(&self.fcm_url)).context("GODWIT_PUSH_FCM_URL")?;
        let options = FcmOptions { account, token_url: self.fcm_token_url.clone() };
        Ok(Some(Fcm::new(client, options).context("GODWIT_PUSH_FCM_SERVICE_ACCOUNT")?))
    }

    fn provider(&self, url: &str) -> ProviderOptions {
        let (url, root_ca) = (url.to_owned(), self.provider_root_ca.clone());
        ProviderOptions { url, root_ca, timeout: self.send_timeout() }
    }
}
