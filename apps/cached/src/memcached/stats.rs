//! `stats`: figures under the reference's names, as far as they have a meaning
//! here. There are no slabs; what is asked about them is told of one class that
//! holds all entries.

use std::sync::atomic::Ordering::Relaxed;

use larder_wire::{Words, reply, unsigned};

use super::VERSION;
use super::connection::Connection;
use crate::items::Count;

/// The counters, by the names that clients know.
const COUNTERS: [(&str, Count); 27] = [
    ("cmd_get", Count::Gets),
    ("cmd_set", Count::Sets),
    ("cmd_flush", Count::Flushes),
    ("cmd_touch", Count::Touches),
    ("cmd_meta", Count::Metas),
    ("get_hits", Count::GetHits),
    ("get_misses", Count::GetMisses),
    ("get_expired", Count::GetExpired),
    ("get_flushed", Count::GetFlushed),
    ("delete_misses", Count::DeleteMisses),
    ("delete_hits", Count::DeleteHits),
    ("incr_misses", Count::IncrMisses),
    ("incr_hits", Count::IncrHits),
    ("decr_misses", Count::DecrMisses),
    ("decr_hits", Count::DecrHits),
    ("cas_misses", Count::CasMisses),
    ("cas_hits", Count::CasHits),
    ("cas_badval", Count::CasBad),
    ("touch_hits", Count::TouchHits),
    ("touch_misses", Count::TouchMisses),
    ("store_too_large", Count::TooLarge),
    ("store_no_memory", Count::NoMemory),
    ("auth_cmds", Count::AuthTries),
    ("auth_errors", Count::AuthErrors),
    ("bytes_read", Count::BytesRead),
    ("bytes_written", Count::BytesWritten),
    ("reclaimed", Count::Reclaimed),
];

/// What the reference counts and nothing here can do: clients that read the
/// names find them.
const NEVER: [&str; 28] = [
    "response_obj_oom",
    "read_buf_oom",
    "listen_disabled_num",
    "time_in_listen_disabled_us",
    "conn_yields",
    "hash_is_expanding",
    "slab_reassign_rescues",
    "slab_reassign_chunk_rescues",
    "slab_reassign_inline_reclaim",
    "slab_reassign_busy_items",
    "slab_reassign_busy_deletes",
    "slab_reassign_busy_nomem",
    "slab_reassign_running",
    "slabs_moved",
    "lru_crawler_running",
    "lru_crawler_starts",
    "lru_maintainer_juggles",
    "malloc_fails",
    "log_worker_dropped",
    "log_worker_written",
    "log_watcher_skipped",
    "log_watcher_sent",
    "log_watchers",
    "round_robin_fallback",
    "unexpected_napi_ids",
    "expired_unfetched",
    "evicted_unfetched",
    "lrutail_reflocked",
];

/// Answers `stats`.
pub(super) fn answer(connection: &mut Connection, mut words: Words<'_>) {
    let told = match words.next() {
        None => general(connection),
        Some(b"settings") => settings(connection),
        Some(b"items") => items(connection),
        Some(b"slabs") => slabs(connection),
        Some(b"sizes") => sizes(),
        Some(b"conns") => connections(connection),
        Some(b"reset") => return reset(connection),
        Some(b"detail") => return detail(connection, words.next()),
        Some(b"cachedump") => return cachedump(connection, words),
        Some(_) => return connection.output.bytes.extend_from_slice(reply::ERROR),
    };
    let out = &mut connection.output.bytes;
    told.iter().for_each(|(name, value)| reply::stat(out, name, value));
    out.extend_from_slice(reply::END);
}

type Told = Vec<(String, String)>;

fn tell(told: &mut Told, name: impl Into<String>, value: &impl ToString) {
    told.push((name.into(), value.to_string()));
}

fn general(connection: &Connection) -> Told {
    let (items, shared) = (&connection.worker.items, &connection.worker.shared);
    let stats = items.stats();
    let mut told = Vec::new();
    tell(&mut told, "pid", &std::process::id());
    tell(&mut told, "uptime", &items.time.uptime());
    tell(&mut told, "time", &items.time.of_day());
    tell(&mut told, "version", &VERSION);
    tell(&mut told, "libevent", &"none");
    tell(&mut told, "pointer_size", &usize::BITS);
    processor_time(&mut told);
    tell(&mut told, "max_connections", &shared.settings.max_connections);
    let open = shared.connections.load(Relaxed);
    tell(&mut told, "curr_connections", &open);
    tell(&mut told, "total_connections", &shared.accepted.load(Relaxed));
    tell(&mut told, "rejected_connections", &shared.rejected.load(Relaxed));
    tell(&mut told, "connection_structures", &open);
    for name in ["response_obj_count", "response_obj_bytes", "read_buf_count", "read_buf_bytes"] {
        tell(&mut told, name, &0);
    }
    tell(&mut told, "read_buf_bytes_free", &0);
    tell(&mut told, "reserved_fds", &0);
    for (name, count) in COUNTERS {
        tell(&mut told, name, &items.counters.sum(count));
    }
    tell(&mut told, "limit_maxbytes", &stats.capacity_bytes);
    tell(&mut told, "accepting_conns", &1);
    tell(&mut told, "threads", &shared.settings.threads);
    tell(&mut told, "hash_power_level", &stats.items.max(1).ilog2());
    tell(&mut told, "hash_bytes", &0);
    tell(&mut told, "slab_reassign_last_busy_status", &"none");
    for name in NEVER {
        tell(&mut told, name, &0);
    }
    let evictions = stats.evictions - shared.before.evictions.load(Relaxed);
    tell(&mut told, "bytes", &stats.weight_bytes);
    tell(&mut told, "curr_items", &stats.items);
    tell(&mut told, "total_items", &(stats.inserts - shared.before.inserts.load(Relaxed)));
    tell(&mut told, "slab_global_page_pool", &0);
    tell(&mut told, "evictions", &evictions);
    tell(&mut told, "evicted_active", &0);
    tell(&mut told, "crawler_reclaimed", &0);
    tell(&mut told, "crawler_items_checked", &0);
    tell(&mut told, "moves_to_cold", &0);
    tell(&mut told, "moves_to_warm", &0);
    tell(&mut told, "moves_within_lru", &0);
    tell(&mut told, "direct_reclaims", &0);
    tell(&mut told, "lru_bumps_dropped", &0);
    told
}

fn processor_time(told: &mut Told) {
    use rustix::time::{ClockId, clock_gettime};
    let used = clock_gettime(ClockId::ProcessCPUTime);
    // The clock doesn't tell the system's part from the rest.
    tell(told, "rusage_user", &(format!("{}.{:06}", used.tv_sec, used.tv_nsec / 1000)));
    tell(told, "rusage_system", &"0.000000");
}

fn settings(connection: &Connection) -> Told {
    let (items, shared) = (&connection.worker.items, &connection.worker.shared);
    let settings = &shared.settings;
    let config = items.cache.config();
    let yes = |is: bool| if is { "yes" } else { "no" };
    let mut told = Vec::new();
    tell(&mut told, "maxbytes", &config.capacity_bytes);
    tell(&mut told, "maxconns", &settings.max_connections);
    tell(&mut told, "tcpport", &settings.port);
    tell(&mut told, "udpport", &0);
    tell(&mut told, "inter", &settings.inter.as_deref().unwrap_or("NULL"));
    tell(&mut told, "verbosity", &0);
    tell(&mut told, "oldest", &0);
    tell(&mut told, "evictions", &"on");
    tell(&mut told, "domain_socket", &settings.socket.as_deref().unwrap_or("NULL"));
    tell(&mut told, "umask", &format!("{:o}", settings.socket_mode));
    tell(&mut told, "shutdown_command", &yes(settings.may_shut_down));
    tell(&mut told, "growth_factor", &"1.25");
    tell(&mut told, "chunk_size", &48);
    tell(&mut told, "num_threads", &settings.threads);
    tell(&mut told, "stat_key_prefix", &":");
    tell(&mut told, "detail_enabled", &"no");
    tell(&mut told, "cas_enabled", &"yes");
    tell(&mut told, "tcp_backlog", &1024);
    tell(&mut told, "binding_protocol", &"ascii");
    tell(&mut told, "ssl_enabled", &if settings.tls.is_some() { "yes" } else { "no" });
    tell(&mut told, "auth_enabled_sasl", &"no");
    tell(&mut told, "auth_enabled_ascii", &settings.auth_file.as_deref().unwrap_or("no"));
    tell(&mut told, "item_size_max", &items.max_item_bytes);
    tell(&mut told, "maxconns_fast", &"yes");
    tell(&mut told, "slab_reassign", &"yes");
    tell(&mut told, "slab_automove", &1);
    tell(&mut told, "lru_crawler", &"yes");
    tell(&mut told, "flush_enabled", &yes(settings.may_flush));
    tell(&mut told, "dump_enabled", &yes(settings.may_dump));
    tell(&mut told, "hash_algorithm", &"foldhash");
    tell(&mut told, "lru_maintainer_thread", &"yes");
    tell(&mut told, "lru_segmented", &"yes");
    tell(&mut told, "policy", &config.policy.name());
    tell(&mut told, "client_flags_size", &size_of::<u32>());
    told
}

fn items(connection: &Connection) -> Told {
    let shared = &connection.worker.shared;
    let stats = connection.worker.items.stats();
    let mut told = Vec::new();
    if stats.items > 0 {
        let evicted = stats.evictions - shared.before.evictions.load(Relaxed);
        tell(&mut told, "items:1:number", &stats.items);
        tell(&mut told, "items:1:age", &0);
        tell(&mut told, "items:1:mem_requested", &stats.weight_bytes);
        tell(&mut told, "items:1:evicted", &evicted);
        tell(&mut told, "items:1:outofmemory", &0);
        tell(&mut told, "items:1:reclaimed", &0);
    }
    told
}

fn slabs(connection: &Connection) -> Told {
    const PAGE: u64 = 1 << 20;
    let items = &connection.worker.items;
    let stats = items.stats();
    let mut told = Vec::new();
    if let Some(mean) = stats.weight_bytes.checked_div(stats.items) {
        let pages = stats.weight_bytes.div_ceil(PAGE);
        tell(&mut told, "1:chunk_size", &mean);
        tell(&mut told, "1:chunks_per_page", &(PAGE / mean.max(1)));
        tell(&mut told, "1:total_pages", &pages);
        tell(&mut told, "1:total_chunks", &stats.items);
        tell(&mut told, "1:used_chunks", &stats.items);
        tell(&mut told, "1:free_chunks", &0);
        tell(&mut told, "1:mem_requested", &stats.weight_bytes);
        for (name, count) in [
            ("get_hits", Count::GetHits),
            ("cmd_set", Count::Sets),
            ("delete_hits", Count::DeleteHits),
            ("incr_hits", Count::IncrHits),
            ("decr_hits", Count::DecrHits),
            ("cas_hits", Count::CasHits),
            ("cas_badval", Count::CasBad),
            ("touch_hits", Count::TouchHits),
        ] {
            tell(&mut told, format!("1:{name}"), &items.counters.sum(count));
        }
    }
    tell(&mut told, "active_slabs", &u64::from(stats.items > 0));
    tell(&mut told, "total_malloced", &stats.weight_bytes);
    told
}

/// Sizes aren't tracked, which the reference says so.
fn sizes() -> Told {
    vec![("sizes_status".into(), "disabled".into())]
}

fn connections(connection: &Connection) -> Told {
    let open = connection.worker.shared.connections.load(Relaxed);
    vec![("conns".into(), open.to_string())]
}

fn reset(connection: &mut Connection) {
    let worker = &connection.worker;
    let stats = worker.items.stats();
    worker.items.counters.reset();
    worker.shared.before.evictions.store(stats.evictions, Relaxed);
    worker.shared.before.inserts.store(stats.inserts, Relaxed);
    connection.output.bytes.extend_from_slice(reply::RESET);
}

/// Figures by prefix of the key aren't kept; switching them off is as well done.
fn detail(connection: &mut Connection, word: Option<&[u8]>) {
    if !connection.worker.shared.settings.may_dump {
        return connection.refuse("CLIENT_ERROR stats detail not allowed", false);
    }
    let answer = match word {
        Some(b"on" | b"off") => "OK",
        Some(b"dump") => "END",
        _ => "CLIENT_ERROR usage: stats detail on|off|dump",
    };
    connection.refuse(answer, false);
}

/// `stats cachedump CLASS LIMIT`: keys, their sizes and when they expire.
fn cachedump(connection: &mut Connection, mut words: Words<'_>) {
    /// As much as the reference tells at most.
    const MAX_BYTES: usize = 2 << 20;
    if !connection.worker.shared.settings.may_dump {
        return connection.refuse("CLIENT_ERROR stats cachedump not allowed", false);
    }
    let (Some(class), Some(limit)) = (words.next(), words.next()) else {
        return connection.refuse("CLIENT_ERROR bad command line", false);
    };
    let (Some(class), Some(limit)) = (unsigned(class), unsigned(limit)) else {
        return connection.refuse("CLIENT_ERROR bad command line format", false);
    };
    let items = &connection.worker.items;
    let present = items.present();
    let zero = items.time.of_day() - i64::from(present.now);
    let out = &mut connection.output.bytes;
    let (start, mut told) = (out.len(), 0);
    let keys = if class == 1 { items.cache.keys() } else { Vec::new() };
    for key in keys {
        if (limit > 0 && told == limit) || out.len() - start > MAX_BYTES {
            break;
        }
        let Some(item) = items.cache.peek(&key).filter(|item| present.has(item)) else { continue };
        let expires = match item.expires() {
            0 => 0,
            moment => zero + i64::from(moment),
        };
        out.extend_from_slice(b"ITEM ");
        out.extend_from_slice(&key);
        reply::line(out, &format!(" [{} b; {expires} s]", item.value.len()));
        told += 1;
    }
    out.extend_from_slice(reply::END);
}
