use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, FromArgMatches, value_parser};
use godwit_call_signaling::Member;
use godwit_contract::call::v1::raft_service_client::RaftServiceClient;
use godwit_contract::call::v1::{GetMembersRequest, Replica, SetMembersRequest};
use godwit_rpc::{Directory, Failure, Target};
use godwit_runtime::options::{GrpcOptions, OptionGroup};
use godwit_runtime::{CommandLine, block_on, directory_of_none, fail};
use tonic::{Request, Status};

use crate::cli::command_named;
use crate::terminal;

const ABOUT: &str = "Print which replicas the call group has and which of them leads, or say which it is to have";
const MEMBERS: &str = "members";
/// One that joins learns the log before it votes; the leader gives up after 25 s.
const SET_TIMEOUT: Duration = Duration::from_secs(30);
const GET_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the call group is asked.
#[derive(clap::Args)]
pub(crate) struct CallMembersOptions {
    /// Any replica of the call group, as `http://host:port`; `https://` with GODWIT_GRPC_TLS_CERT.
    #[arg(long = "to", env = "GODWIT_CALL_MEMBERS_TO", value_name = "GODWIT_CALL_MEMBERS_TO")]
    to: String,
}

/// `godwit call-members`: prints the members, or makes the named replicas the members and prints them.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let members = Arg::new(MEMBERS)
        .value_name("NUMBER=ADDRESS")
        .help("Every replica that the group is to have from now on; nothing changes when none is named")
        .long_help(
            "Every replica that the group is to have from now on, those that it has included, as in \
             GODWIT_CALL_MEMBERS. One that joins was started with an empty GODWIT_CALL_DATA_DIR; one that leaves may be \
             stopped when this has returned. Nothing changes when none is named",
        )
        .num_args(0..)
        .action(ArgAction::Append)
        .value_parser(value_parser!(Member));
    let command = command_named("godwit call-members", ABOUT).arg(members);
    let groups = vec![
        OptionGroup::of::<CallMembersOptions>("Members of the call group"),
        OptionGroup::of::<GrpcOptions>("Internal gRPC"),
    ];
    let parsed = match CommandLine::new(command, groups).parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let replica = |Member { number, address }| Replica { number, address };
    let wanted = parsed.command.get_many::<Member>(MEMBERS).map(|members| members.cloned().map(replica).collect());
    let options = match parsed.groups.as_slice() {
        [to, grpc] => CallMembersOptions::from_arg_matches(to)
            .and_then(|to| Ok((to, GrpcOptions::from_arg_matches(grpc)?)))
            .map_err(anyhow::Error::from),
        _ => Err(anyhow!("the options are missing")),
    };
    block_on(async {
        let result = match options {
            Ok((CallMembersOptions { to }, grpc)) => run(&to, &grpc, wanted.unwrap_or_default()).await,
            Err(error) => Err(error),
        };
        result.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
    })
}

async fn run(to: &str, grpc: &GrpcOptions, wanted: Vec<Replica>) -> anyhow::Result<()> {
    let directory = directory_of_none(grpc)?;
    for member in &wanted {
        check(&directory, member)?;
    }
    let channel = directory.replica(Target::Call, to).context("--to (GODWIT_CALL_MEMBERS_TO) cannot be used")?;
    let mut replica = RaftServiceClient::new(channel);
    if !wanted.is_empty() {
        let mut request = Request::new(SetMembersRequest { members: wanted.clone() });
        request.set_timeout(SET_TIMEOUT);
        replica.set_members(request).await.map_err(refused).context("the members were not changed")?;
    }
    let mut request = Request::new(GetMembersRequest {});
    request.set_timeout(GET_TIMEOUT);
    let found = replica.get_members(request).await.map_err(refused).context("the members cannot be told")?.into_inner();
    // The replica that was asked may learn of the change a moment later, or never, when it has left.
    let members = if wanted.is_empty() { found.members } else { wanted };
    for line in lines(members, found.leader) {
        terminal::print(line);
    }
    Ok(())
}

/// An address that the group cannot use would cost it a vote: nothing is asked of it then.
fn check(directory: &Directory, member: &Replica) -> anyhow::Result<()> {
    directory
        .replica(Target::Call, &member.address)
        .map(drop)
        .with_context(|| format!("replica {}: {:?} is not an address", member.number, member.address))
}

fn refused(status: Status) -> anyhow::Error {
    let Failure { reason, detail, .. } = Failure::from_status(&status);
    anyhow!("{reason}: {detail}")
}

fn lines(mut members: Vec<Replica>, leader: u64) -> Vec<String> {
    members.sort_by_key(|member| member.number);
    let mut lines: Vec<String> = members
        .iter()
        .map(|Replica { number, address }| {
            let address = if address.is_empty() { "(alone, without an address)" } else { address };
            format!("{number}  {address}{}", if *number == leader { "  leads" } else { "" })
        })
        .collect();
    if !members.iter().any(|member| member.number == leader) {
        lines.push("none leads at the moment".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(number: u64, address: &str) -> Replica {
        Replica { number, address: address.to_owned() }
    }

    #[test]
    fn who_leads_is_marked() {
        let members = vec![replica(2, "http://b:1"), replica(1, "http://a:1")];
        assert_eq!(lines(members.clone(), 2), ["1  http://a:1", "2  http://b:1  leads"]);
        assert_eq!(lines(members, 0).last().map(String::as_str), Some("none leads at the moment"));
        assert_eq!(lines(vec![replica(1, "")], 1), ["1  (alone, without an address)  leads"]);
    }
}
