//! The barrier around processes that read candidates or run their code: resource limits, files (Landlock),
//! system calls (seccomp) and capabilities.
//!
//! In: what a process may use and reach. Out: a process, or a thread and all that it starts, that can use
//! and reach nothing else for the rest of its life. Two kinds are enclosed:
//!
//! - **Workers** ([`enclose_worker`], [`enclose_deep`]) read texts and run native code made from candidates. They may read,
//!   write and allocate through what they hold open already, and read the files named; every system call
//!   that is not on a short list fails with `EPERM`: no fork, thread, exec, socket, signal to another
//!   process, or change of a file's name, mode or owner. A worker is enclosed *before* it loads a unit of
//!   models, because a constructor in it runs while it is loaded.
//! - **Tools** are Verilator and the C++ compiler. They are started by a process that has the limits already
//!   ([`enclose_launcher`]), from a thread that is closed in already ([`enclose_tool`]), so there is no moment
//!   at which they run without. They read tool folders and their own scratch folder, write in the scratch
//!   folder, and have no sockets and no way to other processes.
//!
//! # What is not covered
//!
//! - Native code that takes over a worker can still say anything on the worker's socket, so it can forge the
//!   verdicts of the batch that it runs in (not of another, and not what earlier batches said).
//! - It can read the process's own memory: the golden modules of its batch in compiled form, and the stimulus.
//! - It can sleep: CPU time ends a loop, nothing ends a worker that waits for something that never comes.
//! - A tool may start processes without a limit on their number. What Verilator starts can be nothing but
//!   Verilator again; the compiler starts programs of tool folders.
//! - A compiler may change modes and times of files that the user owns: Landlock has no rule for these.
//! - Whether a file outside exists, and its size and times, can be seen.
//! - Memory is limited for each process by its address space, not for all of them together.
//! - Side channels, and faults of the kernel itself.
//! - Where the kernel lacks a part, the rest holds and [`Cover::gaps`] says what is missing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    path_beneath_rules,
};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, BpfProgramRef, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use serde::{Deserialize, Serialize};

/// What a process may use. Each is a backstop: no label depends on one of them being small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time in seconds.
    pub cpu_seconds: u64,
    /// Address space in bytes.
    pub memory: u64,
    /// Largest file that it may write, in bytes.
    pub file_size: u64,
    /// Open files.
    pub open_files: u64,
}

/// The files that a process may reach. A folder stands for all that is in it; what does not exist is no error.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reach {
    /// To be read.
    pub read: Vec<PathBuf>,
    /// To be read and executed.
    pub run: Vec<PathBuf>,
    /// To be read, written, made and removed.
    pub write: Vec<PathBuf>,
}

/// What a tool does beside reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tool {
    /// Nothing: Verilator.
    Alone,
    /// It starts other programs: a compiler's driver.
    Driver,
}

/// A barrier that the kernel offers and that could not be put up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A limit could not be set.
    #[error("failed to limit {what} of a process")]
    Limit {
        /// What was to be limited.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// Capabilities could not be given up.
    #[error("failed to give up capabilities")]
    Capabilities(#[source] std::io::Error),
    /// Landlock refused the rules.
    #[error("failed to close the file system to a process")]
    Files(#[from] landlock::RulesetError),
    /// seccomp refused the filter.
    #[error("failed to filter the system calls of a process")]
    Calls(#[source] seccompiler::Error),
    /// Another thread would stay outside.
    #[error("failed to enclose a worker: it has {0} threads, and only one would be enclosed")]
    Threads(usize),
    /// The thread with a deep stack could not be started.
    #[error("failed to start a thread with a stack of {bytes} bytes")]
    Stack {
        /// What it was to have.
        bytes: usize,
        /// The cause.
        source: std::io::Error,
    },
}

/// Address space of a worker in bytes: chosen well below what an ordinary machine has for two of them.
const WORKER_MEMORY_MAX: u64 = 4 << 30;

/// CPU seconds of a worker in all. Each piece of its work has a limit of its own below this one.
const WORKER_CPU_SECONDS_MAX: u64 = 24 * 3600;

/// Limits of a worker. It writes 16 bytes to one file and opens a few libraries.
pub const WORKER: Limits = Limits {
    cpu_seconds: WORKER_CPU_SECONDS_MAX,
    memory: WORKER_MEMORY_MAX,
    file_size: 4096,
    open_files: 64,
};

/// Limits of a worker that elaborates: the largest real module takes a tenth of that memory.
pub const ELABORATOR: Limits = Limits { memory: 1 << 30, ..WORKER };

/// Where shared libraries lie: what a unit of models may need beside itself.
pub const LIBRARY_FOLDERS: [&str; 6] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"];

/// Where programs and headers lie that a compiler's driver may run and read.
pub const TOOL_FOLDERS: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/alternatives",
];

/// The newest set of rights that is asked for; an older kernel gives what it has.
const RIGHTS: ABI = ABI::V6;

impl Limits {
    /// Sets the limits of this process for good: neither it nor what it starts can raise them. One that is
    /// lower already stays.
    pub fn set(&self) -> Result<(), SandboxError> {
        // The soft limit on CPU time ends a process with a signal that says why; the hard limit ends one
        // that caught it.
        let limits = [
            ("the CPU time", Resource::Cpu, self.cpu_seconds, CPU_SECONDS_OF_GRACE),
            ("the memory", Resource::As, self.memory, 0),
            ("the file size", Resource::Fsize, self.file_size, 0),
            ("the open files", Resource::Nofile, self.open_files, 0),
            ("core files", Resource::Core, 0, 0),
        ];
        for (what, resource, value, grace) in limits {
            set_limit(resource, value, value + grace)
                .map_err(|source| SandboxError::Limit { what, source })?;
        }
        Ok(())
    }
}

/// Seconds between the soft and the hard limit on CPU time.
const CPU_SECONDS_OF_GRACE: u64 = 5;

/// Lets this process, a worker, use CPU time up to `seconds` in all, as far as its hard limit allows.
pub fn allow_cpu_until(seconds: u64) -> Result<(), SandboxError> {
    set_limit(Resource::Cpu, seconds, u64::MAX)
        .map_err(|source| SandboxError::Limit { what: "the CPU time", source })
}

fn set_limit(resource: Resource, soft: u64, hard: u64) -> std::io::Result<()> {
    let now = rustix::process::getrlimit(resource).maximum;
    let hard = now.map_or(hard, |now| now.min(hard));
    let limit = Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// Encloses this process, which must have one thread, as a worker that may read the files named.
pub fn enclose_worker(read: Vec<PathBuf>) -> Result<(), SandboxError> {
    close_worker(Reach { read, ..Reach::default() })?;
    filter_calls(&worker_filters(), seccompiler::apply_filter)?;
    Ok(())
}

/// Encloses this process, which must have one thread, as a worker that reaches no file, and does `work` on a
/// thread with so deep a stack. That thread is started when all but the filter is up, because the filter refuses
/// threads; the filter is then put on both.
pub fn enclose_deep<T: Send>(
    stack_bytes: usize,
    work: impl FnOnce() -> T + Send,
) -> Result<T, SandboxError> {
    close_worker(Reach::default())?;
    let enclosed = || {
        filter_calls(&worker_filters(), seccompiler::apply_filter_all_threads)?;
        Ok(work())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack_bytes);
        let thread = thread
            .spawn_scoped(scope, enclosed)
            .map_err(|source| SandboxError::Stack { bytes: stack_bytes, source })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes capabilities and files from a worker.
fn close_worker(reach: Reach) -> Result<(), SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    drop_capabilities()?;
    close_files(&reach)?;
    Ok(())
}

/// Takes from this process, and from all that it starts, what no tool of this kind needs: capabilities and
/// system calls. Done once for many tools, since a filter costs the kernel half a millisecond.
pub fn enclose_launcher(tool: Tool) -> Result<(), SandboxError> {
    drop_capabilities()?;
    filter_calls(&tool_filters(tool), seccompiler::apply_filter)?;
    Ok(())
}

/// Closes all files but those in `reach` to this thread and to what it starts.
pub fn enclose_tool(reach: &Reach) -> Result<(), SandboxError> {
    close_files(reach)?;
    Ok(())
}

/// What this machine's kernel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Version of Landlock's interface; 0 if there is none.
    pub landlock: i32,
    /// Whether system calls can be filtered.
    pub seccomp: bool,
}

impl Cover {
    /// Finds out by enclosing a thread that does nothing else.
    pub fn find() -> Result<Cover, SandboxError> {
        let probe = || {
            let landlock = close_files(&Reach::default())?;
            Ok(Cover {
                landlock,
                seccomp: filter_calls(&worker_filters(), seccompiler::apply_filter)?,
            })
        };
        let thread = std::thread::spawn(probe);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// What is not covered on this machine beside what the module's head names, in words; empty where
    /// everything is there.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let mut gap = |missing: bool, text: &str| {
            if missing {
                gaps.push(text.to_owned());
            }
        };
        let abi = self.landlock;
        gap(
            abi == 0,
            "no Landlock: candidates and tools that read them are not kept from the user's files (Linux 5.13 or newer, with `landlock` in its list of security modules)",
        );
        gap(
            (1..3).contains(&abi),
            "an old Landlock: files outside can be cut to nothing by a tool (Linux 6.2 or newer)",
        );
        gap(
            (1..6).contains(&abi),
            "an old Landlock: a tool can send signals to the user's processes (Linux 6.12 or newer)",
        );
        gap(
            !self.seccomp,
            "no seccomp filter: candidates and tools that read them are not kept from network, fork and exec (Linux 3.17 or newer with CONFIG_SECCOMP_FILTER, on x86_64, aarch64 or riscv64)",
        );
        gaps
    }
}

/// Keeps what lets root read files of other users, which the file barrier then restricts; gives up the rest.
fn drop_capabilities() -> Result<(), SandboxError> {
    let failed = |error: rustix::io::Errno| SandboxError::Capabilities(error.into());
    let now = rustix::thread::capabilities(None).map_err(failed)?;
    let kept = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(failed)
}

/// Lets this thread reach nothing but `reach`; returns the version of Landlock that does it, 0 for none.
fn close_files(reach: &Reach) -> Result<i32, SandboxError> {
    let all = AccessFs::from_all(RIGHTS);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run = read | AccessFs::Execute;
    let status = Ruleset::default()
        .handle_access(all)?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(&reach.run, run))?
        .add_rules(path_beneath_rules(&reach.write, all & !AccessFs::Execute))?
        .restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    })
}

/// Puts filters on this thread, or on all, as `apply` does; false where the kernel or seccompiler has none for
/// this machine.
fn filter_calls(
    filters: &Option<Vec<BpfProgram>>,
    apply: fn(BpfProgramRef) -> seccompiler::Result<()>,
) -> Result<bool, SandboxError> {
    let Some(filters) = filters else { return Ok(false) };
    for filter in filters {
        match apply(filter) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(SandboxError::Calls(error)),
        }
    }
    Ok(true)
}

/// What a worker still does once it is enclosed: talk on its socket, mark, allocate, load a library, end.
const WORKER_CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_getcwd,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What no tool has to do: reach another process, a network, the kernel's own settings.
const CALLS_OF_NO_TOOL: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_fchownat,
    libc::SYS_fchown,
];

/// Calls that are refused as if the kernel had none: their arguments lie where a filter cannot look, and
/// callers fall back on ones that it can see, or on none.
const CALLS_UNSEEN: &[i64] = &[libc::SYS_clone3, libc::SYS_io_uring_setup];

fn worker_filters() -> Option<Vec<BpfProgram>> {
    let mut rules: Rules = WORKER_CALLS.iter().map(|&call| (call, Vec::new())).collect();
    // Each piece of work sets its own CPU limit, below the one for all.
    let own = equals(0, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![rule(vec![own, equals(1, 0)?])?]);
    // A worker that aborts signals itself.
    let pid = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule(vec![equals(0, pid)?])?]);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Some(vec![program(rules, refuse, SeccompAction::Allow)?])
}

fn tool_filters(tool: Tool) -> Option<Vec<BpfProgram>> {
    let mut refused: Rules = CALLS_OF_NO_TOOL.iter().map(|&call| (call, Vec::new())).collect();
    if tool == Tool::Alone {
        refused.insert(libc::SYS_fchmodat, Vec::new());
        refused.insert(libc::SYS_fchmod, Vec::new());
        // The tool itself is started from here, which is a `vfork`; other new processes are refused.
        let new = [libc::CLONE_VFORK, libc::CLONE_THREAD].map(|flag| lacks(0, flag));
        let new: Option<Vec<SeccompCondition>> = new.into_iter().collect();
        refused.insert(libc::SYS_clone, vec![rule(new?)?]);
    }
    #[cfg(target_arch = "x86_64")]
    {
        refused.extend([libc::SYS_chown, libc::SYS_lchown].map(|call| (call, Vec::new())));
        if tool == Tool::Alone {
            refused.extend([libc::SYS_fork, libc::SYS_chmod].map(|call| (call, Vec::new())));
        }
    }
    let unseen: Rules = CALLS_UNSEEN.iter().map(|&call| (call, Vec::new())).collect();
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    Some(vec![
        program(refused, SeccompAction::Allow, errno(libc::EPERM))?,
        program(unseen, SeccompAction::Allow, errno(libc::ENOSYS))?,
    ])
}

/// Rules by the number of a call; one without rules matches whatever its arguments are.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filter for this machine; `None` where there is none for its architecture.
fn program(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Option<BpfProgram> {
    let architecture = if cfg!(target_arch = "x86_64") {
        TargetArch::x86_64
    } else if cfg!(target_arch = "aarch64") {
        TargetArch::aarch64
    } else if cfg!(target_arch = "riscv64") {
        TargetArch::riscv64
    } else {
        return None;
    };
    SeccompFilter::new(rules, otherwise, matched, architecture).ok()?.try_into().ok()
}

fn rule(conditions: Vec<SeccompCondition>) -> Option<SeccompRule> {
    SeccompRule::new(conditions).ok()
}

fn equals(argument: u8, value: u64) -> Option<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).ok()
}

fn lacks(argument: u8, flag: libc::c_int) -> Option<SeccompCondition> {
    let flag = u64::from(flag.unsigned_abs());
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), 0).ok()
}
