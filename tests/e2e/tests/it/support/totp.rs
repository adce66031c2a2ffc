use godwit_kernel::{Clock as _, SystemClock};
use totp_rs::{Algorithm, Builder, Secret};

/// What an authenticator with this secret shows now.
pub fn totp_code(secret_base32: &str) -> String {
    let secret = Secret::try_from_base32(secret_base32).expect("the secret is base32");
    let authenticator = Builder::new().with_algorithm(Algorithm::SHA1).with_secret(secret).build().expect("RFC 6238");
    let now = u64::try_from(SystemClock.now().unix_timestamp()).expect("after 1970");
    authenticator.generate(now).to_string()
}
