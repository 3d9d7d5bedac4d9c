"""The layout of every record, each declared once, in the notation of fields.py.

Source: `checkpoint_hdr.h` of columbia/user-cr, compiled. A row holds for the layouts since…until. What is not here is
kept and not decoded: the fields of SOCKET of 112 bytes,
records of machines that are not x86, IPC_MSG and IPC_SEM of rev 3, HPAGE's pages, SECURITY's text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from objref.dialects.linux_cr.numbering import Layout

__all__ = ["FIXED", "VETH", "X86_ONLY", "Record", "find_record", "may_cover", "records_of"]

LAST = Layout.V23_RC2
CANDIDATES = {
    Layout.REV6_OLD: (Layout.V20, Layout.V23_RC1),
    Layout.REV6_NEW: (Layout.RENUMBERED, Layout.V23_RC2),
    Layout.UNKNOWN: (),
}
"""What a stream may be that does not tell: a record is covered if it is the same in all of them."""
X86_ONLY = frozenset(["HEADER_ARCH", "THREAD", "CPU", "MM_CONTEXT", "SIGHAND"])


class Record(NamedTuple):
    """One layout of a record. `length`: of its fixed part, when an array follows in the record."""

    name: str
    length: int
    since: Layout
    until: Layout
    fields: str


RECORDS = (
    Record("HEADER", 72, Layout.REV3, LAST, """
        magic@8:u64 arch_id@16:u16 major@18:u16 minor@20:u16 patch@22:u16 rev@24:u16 constants.task_comm_len@32:u16
        constants.at_vector_size@34:u16 constants.signal_nsig@36:u16 constants.uts_sysname_len@38:u16
        constants.uts_nodename_len@40:u16 constants.uts_release_len@42:u16 constants.uts_version_len@44:u16
        constants.uts_machine_len@46:u16 constants.uts_domainname_len@48:u16 constants.rlimit_nlimits@50:u16
        constants.n_tty_buf_size@52:u16 constants.tty_termios_nccs@54:u16 time@56:u64 uflags@64:u64"""),
    Record("HEADER_ARCH", 16, Layout.REV3, LAST, """
        has_fxsr@8:u16 has_xsave@10:u16 xstate_size@12:u16"""),
    Record("TAIL", 16, Layout.REV3, LAST, """
        magic@8:u64"""),
    Record("OBJREF", 16, Layout.REV3, LAST, """
        objtype@8:u32 objref@12:s32"""),
    Record("TREE", 16, Layout.REV3, LAST, """
        nr_tasks@8:u32"""),
    Record("PIDS", 24, Layout.RENUMBERED, LAST, """
        nr_pids@8:u32 nr_vpids@12:u32 offset@16:u32"""),
    Record("TASK", 80, Layout.V23_RC2, LAST, """
        flags@8:u32 state@12:u32 exit_state@16:u32 exit_code@20:u32 exit_signal@24:u32 pdeath_signal@28:u32
        set_child_tid@32:u64 clear_child_tid@40:u64 sas_ss_sp@48:u64 sas_ss_size@56:u32
        compat_robust_futex_head_len@60:u32 compat_robust_futex_list@64:u32 robust_futex_head_len@68:u32
        robust_futex_list@72:u64"""),
    Record("TASK_OBJS", 32, Layout.V23_RC1, LAST, """
        files_objref@8:s32>file-table mm_objref@12:s32>mm fs_objref@16:s32>fs sem_undo_objref@20:s32>sem-undo
        sighand_objref@24:s32>sighand signal_objref@28:s32>signal"""),
    Record("TASK_CREDS", 16, Layout.REV3, LAST, """
        cred_ref@8:s32>cred ecred_ref@12:s32>effective-cred:cred"""),
    Record("TASK_NS", 16, Layout.REV3, LAST, """
        ns_objref@8:s32>ns"""),
    Record("RESTART_BLOCK", 56, Layout.REV3, LAST, """
        function_type@8:u64 arg_0@16:u64 arg_1@24:u64 arg_2@32:u64 arg_3@40:u64 arg_4@48:u64"""),
    Record("FILE_TABLE", 16, Layout.REV3, LAST, """
        fdt_nfds@8:s32"""),
    Record("FILE_DESC", 24, Layout.REV3, LAST, """
        fd_objref@8:s32>fd:file fd_descriptor@12:s32 fd_close_on_exec@16:u32"""),
    Record("FILE", 48, Layout.REV4, LAST, """
        f_type@8:u32 f_mode@12:u32 f_flags@16:u32 f_credref@20:s32>cred f_pos@24:u64 f_version@32:u64
        f_secref@40:s32>security"""),
    Record("EPOLL_ITEMS", 16, Layout.REV3, LAST, """
        epfile_objref@8:s32>epoll-file:file num_items@12:u32"""),
    Record("FS", 16, Layout.V23_RC1, LAST, """
        umask@8:u32"""),
    Record("MM", 120, Layout.REV3, LAST, """
        map_count@8:u32 exe_objref@12:s32>exe:file def_flags@16:u64 flags@24:u64 start_code@32:u64 end_code@40:u64
        start_data@48:u64 end_data@56:u64 start_brk@64:u64 brk@72:u64 start_stack@80:u64 arg_start@88:u64
        arg_end@96:u64 env_start@104:u64 env_end@112:u64"""),
    Record("VMA", 80, Layout.V23_RC2, LAST, """
        vma_type@8:u32 vma_objref@12:s32>mapping:file ino_objref@16:s32>segment:shmem ino_size@24:u64 vm_start@32:u64
        vm_end@40:u64 vm_page_prot@48:u64 vm_flags@56:u64 vm_pgoff@64:u64 hugetlb_shift@72:u16"""),
    Record("PGARR", 16, Layout.REV3, LAST, """
        nr_pages@8:u64"""),
    Record("MM_CONTEXT", 24, Layout.REV3, LAST, """
        vdso@8:u64 ldt_entry_size@16:u32 nldt@20:u32"""),
    Record("SIGNAL", 328, Layout.REV3, LAST, """
        it_real_value@264:u64 it_real_incr@272:u64 it_virt_value@280:u64 it_virt_incr@288:u64 it_prof_value@296:u64
        it_prof_incr@304:u64 tty_objref@312:s32>tty tty_pgrp@316:s32 tty_old_pgrp@320:s32"""),
    Record("SIGPENDING", 24, Layout.REV3, LAST, """
        nr_pending@8:u32 signal.sigset@16:u8[8]"""),
    Record("SIGNAL_TASK", 16, Layout.REV3, LAST, """
        blocked.sigset@8:u8[8]"""),
    Record("CRED", 96, Layout.REV4, LAST, """
        uid@8:u32 suid@12:u32 euid@16:u32 fsuid@20:u32 gid@24:u32 sgid@28:u32 egid@32:u32 fsgid@36:u32
        user_ref@40:s32>user groupinfo_ref@44:s32>groupinfo sec_ref@48:s32>security cap_s.cap_i_0@56:u32
        cap_s.cap_i_1@60:u32 cap_s.cap_p_0@64:u32 cap_s.cap_p_1@68:u32 cap_s.cap_e_0@72:u32 cap_s.cap_e_1@76:u32
        cap_s.cap_b_0@80:u32 cap_s.cap_b_1@84:u32 cap_s.securebits@88:u32 cap_s.padding@92:u32"""),
    Record("USER", 16, Layout.REV3, LAST, """
        uid@8:u32 userns_ref@12:s32>user-ns"""),
    Record("USER_NS", 16, Layout.REV3, LAST, """
        creator_ref@8:s32>creator:user"""),
    Record("GROUPINFO", 16, Layout.REV3, LAST, """
        ngroups@8:u32"""),
    Record("NS", 24, Layout.V20, LAST, """
        uts_objref@8:s32>uts-ns ipc_objref@12:s32>ipc-ns net_objref@16:s32>net-ns"""),
    Record("UTS_NS", 400, Layout.REV3, LAST, """
        sysname@8:char[65] nodename@73:char[65] release@138:char[65] version@203:char[65] machine@268:char[65]
        domainname@333:char[65]"""),
    Record("IPC_NS", 56, Layout.REV3, LAST, """
        shm_ctlmax@8:u64 shm_ctlall@16:u64 shm_ctlmni@24:s32 msg_ctlmax@28:s32 msg_ctlmnb@32:s32 msg_ctlmni@36:s32
        sem_ctl_msl@40:s32 sem_ctl_mns@44:s32 sem_ctl_opm@48:s32 sem_ctl_mni@52:s32"""),
    Record("IPC", 16, Layout.REV3, LAST, """
        ipc_type@8:u32 ipc_count@12:u32"""),
    Record("IPC_SHM", 120, Layout.REV4, LAST, """
        perms.h@8:u8[8] perms.id@16:s32 perms.key@20:u32 perms.uid@24:u32 perms.gid@28:u32 perms.cuid@32:u32
        perms.cgid@36:u32 perms.mode@40:u32 perms.seq@48:u64 perms.sec_ref@56:s32>security shm_segsz@64:u64
        shm_atim@72:u64 shm_dtim@80:u64 shm_ctim@88:u64 shm_cprid@96:s32 shm_lprid@100:s32 mlock_uid@104:u32
        flags@108:u32 objref@112:u32>segment:shmem shift@116:u16"""),
    Record("IPC_MSG", 120, Layout.REV4, LAST, """
        perms.h@8:u8[8] perms.id@16:s32 perms.key@20:u32 perms.uid@24:u32 perms.gid@28:u32 perms.cuid@32:u32
        perms.cgid@36:u32 perms.mode@40:u32 perms.seq@48:u64 perms.sec_ref@56:s32>security q_stime@64:u64
        q_rtime@72:u64 q_ctime@80:u64 q_cbytes@88:u64 q_qnum@96:u64 q_qbytes@104:u64 q_lspid@112:s32
        q_lrpid@116:s32"""),
    Record("IPC_SEM", 88, Layout.REV4, LAST, """
        perms.h@8:u8[8] perms.id@16:s32 perms.key@20:u32 perms.uid@24:u32 perms.gid@28:u32 perms.cuid@32:u32
        perms.cgid@36:u32 perms.mode@40:u32 perms.seq@48:u64 perms.sec_ref@56:s32>security sem_otime@64:u64
        sem_ctime@72:u64 sem_nsems@80:u32"""),
    Record("IPC_MSG_MSG", 24, Layout.REV3, LAST, """
        m_type@8:s64 m_ts@16:u32 sec_ref@20:s32>security"""),
    Record("TTY", 96, Layout.RENUMBERED, LAST, """
        driver_type@8:u16 driver_subtype@10:u16 link_objref@12:s32>link:tty file_objref@16:s32>tty-file:file
        index@24:u32 ldisc@28:u32 flags@32:u64 termios.c_iflag@40:u32 termios.c_oflag@44:u32 termios.c_cflag@48:u32
        termios.c_lflag@52:u32 termios.c_ispeed@56:u32 termios.c_ospeed@60:u32 termios.c_line@64:u8
        termios.c_cc@65:u8[19] winsize.ws_row@88:u16 winsize.ws_col@90:u16 winsize.ws_xpixel@92:u16
        winsize.ws_ypixel@94:u16"""),
    Record("THREAD", 24, Layout.REV3, LAST, """
        sysenter_return@8:u64 thread_info_flags@16:u32 gdt_entry_tls_entries@20:u16 sizeof_tls_array@22:u16"""),
    Record("CPU", 192, Layout.REV3, LAST, """
        r15@8:u64 r14@16:u64 r13@24:u64 r12@32:u64 bp@40:u64 bx@48:u64 r11@56:u64 r10@64:u64 r9@72:u64 r8@80:u64
        ax@88:u64 cx@96:u64 dx@104:u64 si@112:u64 di@120:u64 orig_ax@128:u64 ip@136:u64 sp@144:u64 flags@152:u64
        fs@160:u64 gs@168:u64 fsindex@176:u16 gsindex@178:u16 cs@180:u16 ss@182:u16 ds@184:u16 es@186:u16
        used_math@188:u32"""),
    Record("TTY_LDISC", 560, Layout.REV3, LAST, """
        column@8:u32 datalen@12:u32 canon_column@16:u32 canon_datalen@20:u32 canon_data@24:u32 minimum_to_wake@28:u16
        stopped@30:u8 hw_stopped@31:u8 flow_stopped@32:u8 packet@33:u8 ctrl_status@34:u8 lnext@35:u8 erasing@36:u8
        raw@37:u8 real_raw@38:u8 icanon@39:u8 closing@40:u8 read_flags@44:u8[512]"""),
    Record("SOCKET", 120, Layout.V23_RC1, LAST, """
        has_buffers@8:u8 socket.flags@16:u64 socket.state@24:u8 sock_common.bound_dev_if@32:u32
        sock_common.reuse@36:u32 sock_common.family@40:u16 sock_common.state@42:u8 sock.rcvlowat@48:s64
        sock.flags@56:u64 sock.rcvtimeo@64:s64 sock.sndtimeo@72:s64 sock.err@80:u32 sock.err_soft@84:u32
        sock.priority@88:u32 sock.rcvbuf@92:s32 sock.sndbuf@96:s32 sock.type@100:u16 sock.backlog@102:s16
        sock.protocol@104:u8 sock.state@105:u8 sock.shutdown@106:u8 sock.userlocks@107:u8 sock.no_check@108:u8
        sock.linger.l_onoff@112:s32 sock.linger.l_linger@116:s32"""),
    Record("SOCKET_UNIX", 256, Layout.REV3, LAST, """
        this@8:s32>self:sock peer@12:s32>peer:sock peercred@16:s32>peer-cred:cred flags@20:u32 laddr_len@24:u32
        raddr_len@28:u32 laddr.sun_family@32:u16 laddr.sun_path@34:char[108] raddr.sun_family@142:u16
        raddr.sun_path@144:char[108]"""),
    Record("SOCKET_QUEUE", 16, Layout.REV3, LAST, """
        skb_count@8:u32 total_bytes@12:u32"""),
    Record("SOCKET_BUFFER", 104, Layout.REV3, LAST, """
        transport_header@8:u32 network_header@12:u32 mac_header@16:u32 lin_len@20:u32 frg_len@24:u32 skb_len@28:u32
        hdr_len@32:u32 mac_len@36:u32 data_offset@40:u32 sk_objref@44:s32>sender:sock pr_objref@48:s32>receiver:sock
        protocol@52:u16 nr_frags@54:u16 cb@56:u8[48]"""),
    Record("SOCKET_FRAG", 16, Layout.REV4, LAST, """
        size@8:u32 offset@12:u32"""),
    Record("SOCKET_INET", 328, Layout.REV3, LAST, """
        daddr@8:u32 rcv_saddr@12:u32 saddr@16:u32 dport@20:u16 num@22:u16 sport@24:u16 uc_ttl@26:s16 cmsg_flags@28:u16
        icsk_ack.timeout@32:u64 icsk_ack.ato@40:u32 icsk_ack.lrcvtime@44:u32 icsk_ack.last_seg_size@48:u16
        icsk_ack.rcv_mss@50:u16 icsk_ack.pending@52:u8 icsk_ack.quick@53:u8 icsk_ack.pingpong@54:u8
        icsk_ack.blocked@55:u8 tcp.rcv_nxt@56:u32 tcp.copied_seq@60:u32 tcp.rcv_wup@64:u32 tcp.snd_nxt@68:u32
        tcp.snd_una@72:u32 tcp.snd_sml@76:u32 tcp.rcv_tstamp@80:u32 tcp.lsndtime@84:u32 tcp.snd_wl1@88:u32
        tcp.snd_wnd@92:u32 tcp.max_window@96:u32 tcp.mss_cache@100:u32 tcp.window_clamp@104:u32
        tcp.rcv_ssthresh@108:u32 tcp.frto_highmark@112:u32 tcp.srtt@116:u32 tcp.mdev@120:u32 tcp.mdev_max@124:u32
        tcp.rttvar@128:u32 tcp.rtt_seq@132:u32 tcp.packets_out@136:u32 tcp.retrans_out@140:u32 tcp.snd_up@144:u32
        tcp.rcv_wnd@148:u32 tcp.write_seq@152:u32 tcp.pushed_seq@156:u32 tcp.lost_out@160:u32 tcp.sacked_out@164:u32
        tcp.fackets_out@168:u32 tcp.tso_deferred@172:u32 tcp.bytes_acked@176:u32 tcp.lost_cnt_hint@180:s32
        tcp.retransmit_high@184:u32 tcp.lost_retrans_low@188:u32 tcp.prior_ssthresh@192:u32 tcp.high_seq@196:u32
        tcp.retrans_stamp@200:u32 tcp.undo_marker@204:u32 tcp.undo_retrans@208:s32 tcp.total_retrans@212:u32
        tcp.urg_seq@216:u32 tcp.keepalive_time@220:u32 tcp.keepalive_intvl@224:u32 tcp.urg_data@228:u16
        tcp.advmss@230:u16 tcp.frto_counter@232:u8 tcp.nonagle@233:u8 tcp.ecn_flags@234:u8 tcp.reordering@235:u8
        tcp.keepalive_probes@236:u8 inet6.saddr@240:u8[16] inet6.rcv_saddr@256:u8[16] inet6.daddr@272:u8[16]
        laddr_len@288:u32 raddr_len@292:u32 laddr.f@296:u16 laddr.p@298:u16 laddr.a@300:u32 laddr.z@304:char[8]
        raddr.f@312:u16 raddr.p@314:u16 raddr.a@316:u32 raddr.z@320:char[8]"""),
    Record("NET_NS", 16, Layout.V20, LAST, """
        this_ref@8:s32>self:net-ns"""),
    Record("SECURITY", 16, Layout.REV4, LAST, """
        ptrref@8:s32>security-ptr sectype@12:u8"""),
    Record("TASK_SEM_UNDO_LIST", 16, Layout.V23_RC1, LAST, """
        count@8:u32"""),
    Record("TASK_SEM_UNDO", 16, Layout.V23_RC1, LAST, """
        semid@8:u32 semadj_count@12:u32"""),
    Record("NETDEV", 40, Layout.V20, LAST, """
        netns_ref@8:s32>net-ns inet_addrs@20:u32 type@24:u16 flags@26:u16 hwaddr@28:u8[6]"""),
    # -- the same in other versions
    Record("TASK", 64, Layout.REV3, Layout.REV5, """
        state@8:u32 exit_state@12:u32 exit_code@16:u32 exit_signal@20:u32 pdeath_signal@24:u32 set_child_tid@28:u64
        clear_child_tid@36:u64 compat_robust_futex_head_len@44:u32 compat_robust_futex_list@48:u32
        robust_futex_head_len@52:u32 robust_futex_list@56:u64"""),
    Record("TASK", 72, Layout.REV3, Layout.REV5, """
        state@8:u32 exit_state@12:u32 exit_code@16:u32 exit_signal@20:u32 pdeath_signal@24:u32 set_child_tid@32:u64
        clear_child_tid@40:u64 compat_robust_futex_head_len@48:u32 compat_robust_futex_list@52:u32
        robust_futex_head_len@56:u32 robust_futex_list@64:u64"""),
    Record("TASK", 64, Layout.V20, Layout.V20, """
        state@8:u32 exit_state@12:u32 exit_code@16:u32 exit_signal@20:u32 pdeath_signal@24:u32
        compat_robust_futex_head_len@28:u32 compat_robust_futex_list@32:u32 robust_futex_head_len@36:u32
        robust_futex_list@40:u64 set_child_tid@48:u64 clear_child_tid@56:u64"""),
    Record("TASK", 80, Layout.V23_RC1, Layout.RENUMBERED, """
        state@8:u32 exit_state@12:u32 exit_code@16:u32 exit_signal@20:u32 pdeath_signal@24:u32
        compat_robust_futex_head_len@28:u32 compat_robust_futex_list@32:u32 robust_futex_head_len@36:u32
        robust_futex_list@40:u64 set_child_tid@48:u64 clear_child_tid@56:u64 sas_ss_sp@64:u64 sas_ss_size@72:u32"""),
    Record("TASK_OBJS", 24, Layout.REV3, Layout.REV4, """
        files_objref@8:s32>file-table mm_objref@12:s32>mm sighand_objref@16:s32>sighand signal_objref@20:s32>signal"""),
    Record("TASK_OBJS", 32, Layout.REV5, Layout.V20, """
        files_objref@8:s32>file-table mm_objref@12:s32>mm fs_objref@16:s32>fs sighand_objref@20:s32>sighand
        signal_objref@24:s32>signal"""),
    Record("FILE", 40, Layout.REV3, Layout.REV3, """
        f_type@8:u32 f_mode@12:u32 f_flags@16:u32 f_credref@20:s32>cred f_pos@24:u64 f_version@32:u64"""),
    Record("FS", 8, Layout.REV5, Layout.V20, ""),
    Record("VMA", 72, Layout.REV3, Layout.RENUMBERED, """
        vma_type@8:u32 vma_objref@12:s32>mapping:file ino_objref@16:s32>segment:shmem ino_size@24:u64 vm_start@32:u64
        vm_end@40:u64 vm_page_prot@48:u64 vm_flags@56:u64 vm_pgoff@64:u64"""),
    Record("HPAGE", 24, Layout.V23_RC2, LAST, "address_or_index@8:u64 shift@16:u16"),
    Record("CRED", 88, Layout.REV3, Layout.REV3, """
        uid@8:u32 suid@12:u32 euid@16:u32 fsuid@20:u32 gid@24:u32 sgid@28:u32 egid@32:u32 fsgid@36:u32
        user_ref@40:s32>user groupinfo_ref@44:s32>groupinfo cap_s.cap_i_0@48:u32 cap_s.cap_i_1@52:u32
        cap_s.cap_p_0@56:u32 cap_s.cap_p_1@60:u32 cap_s.cap_e_0@64:u32 cap_s.cap_e_1@68:u32 cap_s.cap_b_0@72:u32
        cap_s.cap_b_1@76:u32 cap_s.securebits@80:u32"""),
    Record("NS", 16, Layout.REV3, Layout.REV5, """
        uts_objref@8:s32>uts-ns ipc_objref@12:s32>ipc-ns"""),
    Record("TTY", 72, Layout.REV3, Layout.V23_RC1, """
        driver_type@8:u16 driver_subtype@10:u16 link_objref@12:s32>link:tty file_objref@16:s32>tty-file:file
        index@24:u32 ldisc@28:u32 flags@32:u64 termios.c_iflag@40:u16 termios.c_oflag@42:u16 termios.c_cflag@44:u16
        termios.c_lflag@46:u16 termios.c_line@48:u8 termios.c_cc@49:u8[8] winsize.ws_row@64:u16 winsize.ws_col@66:u16
        winsize.ws_xpixel@68:u16 winsize.ws_ypixel@70:u16"""),
    Record("SOCKET", 112, Layout.REV3, Layout.V20, ""),
    Record("IPC_SHM", 112, Layout.REV3, Layout.REV3, """
        perms.h@8:u8[8] perms.id@16:s32 perms.key@20:u32 perms.uid@24:u32 perms.gid@28:u32 perms.cuid@32:u32
        perms.cgid@36:u32 perms.mode@40:u32 perms.seq@48:u64 objref@104:u32>segment:shmem"""),
    Record("CONTAINER", 8, Layout.REV3, LAST, ""),
    Record("SIGHAND", 8, Layout.REV3, LAST, ""),
    Record("NETDEV_ADDR", 8, Layout.V20, LAST, ""),
    Record("CPU_FPU", 8, Layout.REV3, LAST, ""),
    Record("MM_CONTEXT_LDT", 8, Layout.REV3, LAST, ""),
    Record("BUFFER", 8, Layout.REV3, LAST, ""),
    Record("STRING", 8, Layout.REV3, LAST, ""),
    Record("FILE_NAME", 8, Layout.REV3, LAST, ""),
    Record("PIPE_BUF", 8, Layout.REV3, LAST, ""),
    Record("LSM_INFO", 8, Layout.REV4, LAST, ""),
    Record("ERROR", 8, Layout.REV3, LAST, ""),
)  # fmt: skip
VETH = "this_ref@12:s32>self:netdev peer_ref@16:s32>peer:netdev"
"""In a NETDEV that is a veth. In a macvlan there is a mode instead, and nothing says which of them it is."""
BOUNDED = frozenset(["FILE", "SECURITY", "SIGHAND", "TASK_SEM_UNDO"])
OPEN = BOUNDED | {
    "SIGPENDING", "GROUPINFO", "NETDEV_ADDR", "CPU_FPU", "MM_CONTEXT_LDT", "BUFFER", "STRING", "FILE_NAME",
    "PIPE_BUF", "LSM_INFO", "ERROR",
}  # fmt: skip
"""Records that go on after their fixed part."""
FIXED = frozenset(record.name for record in RECORDS) - OPEN | BOUNDED
"""Records that cannot have 64 KiB: the facts give one length for them, or a few."""


def _rows(name: str, length: int, layout: Layout) -> list[Record]:
    fits = records_of(name, layout)
    exact = [r for r in fits if r.length == length]
    return exact or [r for r in fits if name in OPEN and r.length < length]


@lru_cache(4096)
def find_record(name: str, length: int, layout: Layout) -> Record | None:
    """The layout of a record of that length; None when the facts do not cover it."""
    found = None
    for candidate in CANDIDATES.get(layout, (layout,)):
        rows = _rows(name, length, candidate)
        if not rows or (found is not None and rows[0].fields != found.fields):
            return None
        found = rows[0]
    return found


def records_of(name: str, layout: Layout) -> list[Record]:
    """All that a layout has of that name."""
    return [record for record in RECORDS if record.name == name and record.since <= layout <= record.until]


@lru_cache(4096)
def may_cover(name: str, length: int, layout: Layout) -> bool:
    """Whether the facts have such a record in a layout that the stream may turn out to be."""
    return any(_rows(name, length, candidate) for candidate in CANDIDATES.get(layout, (layout,)))
