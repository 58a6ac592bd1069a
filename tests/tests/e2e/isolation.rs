//! The walls around a sandbox, tried from inside and read from outside.

use serde_json::{Value, json};
use thaw_proto::v1::SandboxState;
use thaw_tests::{
    cgroup,
    engine::Engine,
    functions::{NewFunction, ONE_CPU, unique},
    remains,
    world::World,
};

use crate::world;

/// What the handler finds out, and the name of the function that it ran in.
async fn probe(world: &World, payload: Value) -> (Value, String) {
    let name = world.create(NewFunction::of("isolation").memory(ONE_CPU)).await;
    (world.invoke(&name, payload).await.value(), name)
}

#[tokio::test]
async fn there_is_no_network_but_the_sandboxs_own_loopback() {
    let world = world().await;
    // A listener of the host, so that reaching it would work from outside.
    let host = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let addresses =
        json!([["127.0.0.1", port], ["172.17.0.1", port], ["192.0.2.1", 80], ["198.51.100.1", 53]]);
    let (found, _) = probe(&world, json!({ "probe": "network", "addresses": addresses })).await;
    assert_eq!(found["interfaces"], json!(["lo"]));
    assert_eq!(found["connect"], json!(["ECONNREFUSED", "ENETUNREACH", "ENETUNREACH", "ENETUNREACH"]));
    let own = ["127.0.0.1", "::1"];
    assert_eq!(found["names"], json!({ "localhost": own, "example.com": "EAI_AGAIN" }));
    assert_eq!((&found["raw"], &found["packet"]), (&json!("EPERM"), &json!("EPERM")));
}

#[tokio::test]
async fn nothing_but_tmp_can_be_written() {
    let world = world().await;
    let (found, _) = probe(&world, json!({ "probe": "files" })).await;
    for (path, error) in found["write"].as_object().unwrap() {
        assert!(
            ["EROFS", "EACCES"].contains(&error.as_str().unwrap_or("nothing")),
            "writing {path}: {error}"
        );
    }
    assert_eq!(
        found["write"]["/var/task/isolation.py"], "EROFS",
        "not even its owner could write the package"
    );
    assert_eq!((&found["remove"], &found["chmod"]), (&json!("EROFS"), &json!("EROFS")));
    assert_eq!(found["tmp"], Value::Null);
}

#[tokio::test]
async fn the_package_on_the_host_stays_as_it_was() {
    let world = World::start().await;
    let packages = world.daemon().data_dir().join("packages");
    let name = world.create(NewFunction::of("isolation").memory(ONE_CPU)).await;
    let look = || -> Vec<_> {
        let paths = remains::below(&packages).into_iter();
        paths
            .map(|path| {
                (
                    path.clone(),
                    std::fs::metadata(&path).unwrap().modified().unwrap(),
                    std::fs::read(&path).ok(),
                )
            })
            .collect()
    };
    let before = look();
    assert!(before.iter().any(|(path, ..)| path.ends_with("isolation.py")), "{before:?}");
    world.invoke(&name, json!({ "probe": "files" })).await.value();
    assert_eq!(look(), before);
}

#[tokio::test]
async fn a_function_has_no_privilege_and_gets_none() {
    let world = world().await;
    let (found, _) = probe(&world, json!({ "probe": "privileges" })).await;
    let refused = |group: &str| {
        for (what, error) in found[group].as_object().unwrap() {
            assert!(
                ["EPERM", "EACCES", "EINVAL"].contains(&error.as_str().unwrap_or("nothing")),
                "{group} {what}: {error}"
            );
        }
    };
    refused("mount");
    refused("ptrace");
    refused("unshare");
    for what in ["mknod", "setuid", "chroot"] {
        assert_eq!(found[what], "EPERM", "{what}");
    }
    assert_eq!(found["environ of 1"], "EACCES", "{found}");
    assert_eq!(found["memory of 1"], "EACCES", "{found}");
    assert_eq!(found["ids"], json!([993, 993, 990, 990, [990]]));
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(found["status"][set], "0000000000000000", "{set}");
    }
    assert_eq!(found["status"]["NoNewPrivs"], "1");
    assert_eq!(found["status"]["Seccomp"], "2");
}

#[tokio::test]
async fn a_sandbox_sees_nothing_of_another() {
    let world = world().await;
    let secret = unique("secret");
    let (listing, one) = probe(&world, json!({ "probe": "leave", "name": secret })).await;
    assert!(listing.as_array().unwrap().contains(&json!(secret)), "{listing}");
    let other = world.sandboxes(&one).await.remove(0).id;
    let (found, name) = probe(&world, json!({ "probe": "search", "name": secret })).await;
    assert_eq!(found["found"], json!([]));
    let mounts = found["mounts"].as_str().unwrap();
    assert!(!mounts.contains(&other), "{mounts}");
    let commands = found["commands"].as_array().unwrap();
    assert!((1..=3).contains(&commands.len()), "it sees its own processes: {commands:?}");
    // Nor does a second sandbox of the same function.
    let again = world.create(NewFunction::of("isolation")).await;
    let found = world.invoke(&again, json!({ "probe": "search", "name": secret })).await.value();
    assert_eq!(found["found"], json!([]), "{name}");
}

#[tokio::test]
async fn processes_are_limited() {
    let world = world().await;
    let (found, _) = probe(&world, json!({ "probe": "count_forks" })).await;
    assert_eq!(found["refusal"], "EAGAIN");
    let forks = found["forks"].as_u64().unwrap();
    assert!((80..100).contains(&forks), "{forks} processes beside its own, where 100 are allowed");
}

#[tokio::test]
async fn a_fork_bomb_is_contained_and_others_are_served() {
    let world = world().await;
    let bomb = world.create(NewFunction::of("isolation").timeout(3)).await;
    let other = world.create(NewFunction::of("echo")).await;
    world.invoke(&other, json!({})).await;
    let served = async {
        let sandbox = world.sandbox_in(&bomb, SandboxState::Busy).await;
        for number in 0..10 {
            assert_eq!(world.invoke(&other, json!(number)).await.value(), json!(number));
        }
        sandbox.container_id
    };
    let (answer, container) = tokio::join!(world.invoke(&bomb, json!({ "probe": "bomb" })), served);
    let (error_type, message) = answer.error();
    assert!(["Sandbox.Timedout", "Runtime.OutOfMemory"].contains(&error_type), "{message}");
    world.no_sandbox_of(&bomb).await;
    assert!(!Engine::connect().await.has_container(&container).await);
}

#[tokio::test]
async fn tmp_fills_up_inside_at_its_size_and_stays() {
    let world = world().await;
    let (full, name) = probe(&world, json!({ "probe": "fill" })).await;
    assert_eq!(full["refusal"], "ENOSPC");
    let mb = full["size"].as_u64().unwrap() >> 20;
    assert!((500..=530).contains(&mb), "512 MB of /tmp held {mb} MB");
    let still = world.invoke(&name, json!({ "probe": "filled" })).await.value();
    assert_eq!((&still["size"], &still["sandbox"]), (&full["size"], &full["sandbox"]));
    // Others have their own.
    let other = world.create(NewFunction::of("state")).await;
    assert_eq!(world.invoke(&other, json!({})).await.value()["written"], 1);
}

#[tokio::test]
async fn memory_cpu_and_processes_are_limited_by_the_cgroup_as_the_function_says() {
    let world = world().await;
    for memory in [128_u32, 1769, 3538] {
        let name = world.create(NewFunction::of("echo").memory(memory)).await;
        world.invoke(&name, json!({})).await;
        let sandbox = world.sandboxes(&name).await.remove(0);
        let limits = cgroup::limits(Engine::connect().await.pid_of(&sandbox.container_id).await);
        assert_eq!(limits.memory, u64::from(memory) << 20);
        assert!(limits.swap.is_none_or(|swap| swap == 0), "{limits:?}");
        assert_eq!(limits.pids, 100, "the daemon's setting");
        let expected = limits.cpu_period * u64::from(memory) / 1769;
        assert!(
            limits.cpu_quota.abs_diff(expected) <= 10,
            "{limits:?} where a quota of {expected} was expected"
        );
        let parent = limits.path.rsplit_once('/').expect("a cgroup in a parent").0;
        assert!(parent.contains("000000000000"), "{parent} names the tenant");
        assert!(limits.path.contains(&sandbox.container_id), "{}", limits.path);
    }
}
