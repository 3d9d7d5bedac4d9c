"""The structs of a CPT image, as text: `NAME bytes older-lengths`, `field[count]@offset:type`. Parsed in `layouts`.

Source: `include/linux/cpt_image.h` of 042stab141.3, compiled for x86-64; i386 differs in the two structs
named so, and in CGROUP, which ends at 28. Older kernels (028stab056, 042stab061.9, 042stab113.5) wrote the same structs
with shorter tails: the lengths after the first. A NAME has the fields only when it holds a tar.
The 16 bytes of the object header are left out.
"""

__all__ = ["TEXT"]

TEXT = """
HEADER 80
cpt_signature[4]@0:raw cpt_hdrlen@4:u16 cpt_image_version@6:u16 cpt_os_arch@8:u16 __cpt_pad1@10:u16
cpt_ve_features@12:u32 cpt_ve_features2@16:u32 cpt_pagesize@20:u16 cpt_hz@22:u16 cpt_start_jiffies64@24:u64
cpt_start_sec@32:u32 cpt_start_nsec@36:u32 cpt_cpu_caps[4]@40:u32 cpt_kernel_config[4]@56:u32 cpt_iptables_mask@72:u64

TRAILER 248
cpt_lazypages@16:u32 cpt_64bit@20:u32 cpt_sections[27]@24:pos cpt_nsect@240:u32 cpt_signature[4]@244:raw

TASK 992 976
cpt_state@16:u64 cpt_flags@24:u64 cpt_ptrace@32:u64 cpt_prio@40:u32 cpt_static_prio@44:u32 cpt_policy@48:u32
cpt_rt_priority@52:u32 cpt_exec_domain@56:u64 cpt_thrflags@64:u64 cpt_thrstatus@72:u64 cpt_addr_limit@80:u64
cpt_personality@88:u64 cpt_mm@96:pos cpt_files@104:pos cpt_fs@112:pos cpt_signal@120:pos cpt_sighand@128:pos
cpt_sigblocked@136:u64 cpt_sigrblocked@144:u64 cpt_sigpending@152:u64 cpt_namespace@160:pos cpt_sysvsem_undo@168:pos
cpt_pid@176:u32 cpt_tgid@180:u32 cpt_ppid@184:u32 cpt_rppid@188:u32 cpt_pgrp@192:u32 cpt_session@196:u32
cpt_old_pgrp@200:u32 __cpt_pad@204:u32 cpt_leader@208:u32 cpt_pn_state@212:u8 cpt_stopped_state@213:u8
cpt_sigsuspend_state@214:u8 cpt_64bit@215:u8 cpt_set_tid@216:u64 cpt_clear_tid@224:u64 cpt_exit_code@232:u32
cpt_exit_signal@236:u32 cpt_pdeath_signal@240:u32 cpt_user@244:u32 cpt_uid@248:u32 cpt_euid@252:u32 cpt_suid@256:u32
cpt_fsuid@260:u32 cpt_gid@264:u32 cpt_egid@268:u32 cpt_sgid@272:u32 cpt_fsgid@276:u32 cpt_ngids@280:u32
cpt_gids[32]@284:u32 cpt_prctl_uac@412:u8 cpt_prctl_fpemu@413:u8 __cpt_pad1@414:u16 cpt_ecap@416:u64 cpt_icap@424:u64
cpt_pcap@432:u64 cpt_comm[16]@440:text cpt_tls[3]@456:u64 cpt_restart.fn@480:u64 cpt_restart.arg0@488:u64
cpt_restart.arg1@496:u64 cpt_restart.arg2@504:u64 cpt_restart.arg3@512:u64 cpt_it_real_value@520:u64
cpt_it_real_incr@528:u64 cpt_it_prof_value@536:u64 cpt_it_prof_incr@544:u64 cpt_it_virt_value@552:u64
cpt_it_virt_incr@560:u64 cpt_used_math@568:u16 cpt_keepcap@570:u8 cpt_did_exec@571:u8 cpt_ptrace_message@572:u32
cpt_utime@576:u64 cpt_stime@584:u64 cpt_starttime@592:u64 cpt_nvcsw@600:u64 cpt_nivcsw@608:u64 cpt_min_flt@616:u64
cpt_maj_flt@624:u64 cpt_sigsuspend_blocked@632:u64 cpt_cutime@640:u64 cpt_cstime@648:u64 cpt_cnvcsw@656:u64
cpt_cnivcsw@664:u64 cpt_cmin_flt@672:u64 cpt_cmaj_flt@680:u64 cpt_rlim_cur[16]@688:u64 cpt_rlim_max[16]@816:u64
cpt_task_ub@944:pos cpt_exec_ub@952:pos cpt_mm_ub@960:pos cpt_fork_sub@968:pos cpt_posix_timers@976:pos
cpt_bcap@984:u64

MM 136 128
cpt_start_code@16:u64 cpt_end_code@24:u64 cpt_start_data@32:u64 cpt_end_data@40:u64 cpt_start_brk@48:u64
cpt_brk@56:u64 cpt_start_stack@64:u64 cpt_start_arg@72:u64 cpt_end_arg@80:u64 cpt_start_env@88:u64 cpt_end_env@96:u64
cpt_def_flags@104:u64 cpt_mmub@112:pos cpt_dumpable@120:u8 cpt_vps_dumpable@121:u8 cpt_used_hugetlb@122:u8
__cpt_pad@123:u8 cpt_vdso@124:u32 cpt_mm_flags@128:u64

VMA 80
cpt_file@16:pos cpt_type@24:u32 cpt_anonvma@28:u32 cpt_anonvmaid@32:u64 cpt_start@40:u64 cpt_end@48:u64
cpt_flags@56:u64 cpt_pgprot@64:u64 cpt_pgoff@72:u64

PAGES, ITERPAGES, ITERYOUNGPAGES 32
cpt_start@16:u64 cpt_end@24:u64

COPYPAGES 40
cpt_start@16:u64 cpt_end@24:u64 cpt_source@32:pos

REMAPPAGES 40
cpt_start@16:u64 cpt_end@24:u64 cpt_pgoff@32:u64

LAZYPAGES 40
cpt_start@16:u64 cpt_end@24:u64 cpt_index@32:u64

FILE 96 88
cpt_flags@16:u32 cpt_mode@20:u32 cpt_pos@24:u64 cpt_uid@32:u32 cpt_gid@36:u32 cpt_i_mode@40:u32 cpt_lflags@44:u32
cpt_inode@48:pos cpt_priv@56:other cpt_fown_fd@64:index cpt_fown_pid@68:u32 cpt_fown_uid@72:u32 cpt_fown_euid@76:u32
cpt_fown_signo@80:u32 __cpt_pad1@84:u32 cpt_vfsmount@88:pos

FILES 32
cpt_index@16:index cpt_max_fds@20:u32 cpt_next_fd@24:u32 __cpt_pad1@28:u32

FILEDESC 40 32
cpt_fd@16:u32 cpt_flags@20:u32 cpt_file@24:pos cpt_uid@32:u64

FS 24
cpt_umask@16:u32 __cpt_pad1@20:u32

SIGHAND_STRUCT 16

SYSVSEM_UNDO 16

NAMESPACE 16

POSIX_TIMER_LIST 16

NAME 24 16
cpt_len@16:u32 __cpt_pad1@20:u32

SIGHANDLER 56
cpt_signo@16:u32 __cpt_pad1@20:u32 cpt_handler@24:u64 cpt_restorer@32:u64 cpt_flags@40:u64 cpt_mask@48:u64

SIGNAL_STRUCT 456 448
cpt_leader@16:u32 cpt_pgrp_type@20:u8 cpt_old_pgrp_type@21:u8 cpt_session_type@22:u8 __cpt_pad1@23:u8 cpt_pgrp@24:u64
cpt_old_pgrp@32:u64 cpt_session@40:u64 cpt_sigpending@48:u64 cpt_ctty@56:pos cpt_curr_target@64:u32
cpt_group_exit@68:u32 cpt_group_exit_code@72:u32 cpt_group_exit_task@76:u32 cpt_notify_count@80:u32
cpt_group_stop_count@84:u32 cpt_stop_state@88:u32 __cpt_pad2@92:u32 cpt_utime@96:u64 cpt_stime@104:u64
cpt_cutime@112:u64 cpt_cstime@120:u64 cpt_nvcsw@128:u64 cpt_nivcsw@136:u64 cpt_cnvcsw@144:u64 cpt_cnivcsw@152:u64
cpt_min_flt@160:u64 cpt_maj_flt@168:u64 cpt_cmin_flt@176:u64 cpt_cmaj_flt@184:u64 cpt_rlim_cur[16]@192:u64
cpt_rlim_max[16]@320:u64 cpt_flags@448:u64

SIGINFO 184 72
cpt_qflags@16:u32 cpt_signo@20:u32 cpt_errno@24:u32 cpt_code@28:u32 cpt_sigval@32:u64 cpt_pid@40:u32 cpt_uid@44:u32
cpt_utime@48:u64 cpt_stime@56:u64 cpt_user@64:u64 cpt_sifields[28]@72:s32

INODE 120 112
cpt_dev@16:u64 cpt_ino@24:u64 cpt_mode@32:u32 cpt_nlink@36:u32 cpt_uid@40:u32 cpt_gid@44:u32 cpt_rdev@48:u64
cpt_size@56:u64 cpt_blksize@64:u64 cpt_atime@72:u64 cpt_mtime@80:u64 cpt_ctime@88:u64 cpt_blocks@96:u64 cpt_sb@104:u32
__cpt_pad1@108:u32 cpt_vfsmount@112:pos

VFSMOUNT 56 24
cpt_mntflags@16:u32 cpt_flags@20:u32 cpt_mnt_bind@24:other cpt_mnt_parent@32:pos cpt_mnt_shared@40:pos
cpt_mnt_master@48:pos

TTY 720
cpt_flags@16:u64 cpt_link@24:index cpt_index@28:index cpt_drv_type@32:u32 cpt_drv_subtype@36:u32 cpt_drv_flags@40:u32
cpt_packet@44:u8 cpt_stopped@45:u8 cpt_hw_stopped@46:u8 cpt_flow_stopped@47:u8 cpt_canon_data@48:u32
cpt_canon_head@52:u32 cpt_canon_column@56:u32 cpt_column@60:u32 cpt_ctrl_status@64:u8 cpt_erasing@65:u8
cpt_lnext@66:u8 cpt_icanon@67:u8 cpt_raw@68:u8 cpt_real_raw@69:u8 cpt_closing@70:u8 __cpt_pad1@71:u8
cpt_minimum_to_wake@72:u16 __cpt_pad2@74:u16 cpt_pgrp@76:u32 cpt_session@80:u32 cpt_c_line@84:u32 cpt_name[64]@88:text
cpt_ws_row@152:u16 cpt_ws_col@154:u16 cpt_ws_prow@156:u16 cpt_ws_pcol@158:u16 cpt_c_cc[32]@160:u8 cpt_c_iflag@192:u32
cpt_c_oflag@196:u32 cpt_c_cflag@200:u32 cpt_c_lflag@204:u32 cpt_read_flags[128]@208:u32

VEINFO 160 144 72
shm_ctl_max@16:u32 shm_ctl_all@20:u32 shm_ctl_mni@24:u32 msg_ctl_max@28:u32 msg_ctl_mni@32:u32 msg_ctl_mnb@36:u32
sem_ctl_arr[4]@40:u32 start_timespec_delta@56:u64 start_jiffies_delta@64:u64 last_pid@72:u32 rnd_va_space@76:u32
vpid_max@80:u32 __cpt_pad1@84:u32 real_start_timespec_delta@88:u64 reserved[6]@96:u64 aio_max_nr@144:u64
cpt_ve_bcap@152:u64

UBC 3104
cpt_parent@16:pos cpt_id@24:u32 cpt_ub_resources@28:u16 cpt_ub_flags@30:u16 cpt_parms[64]@32:ubparm

SKB 168 128 120
cpt_owner@16:index cpt_queue@20:u32 cpt_stamp@24:u64 cpt_len@32:u32 cpt_hspace@36:u32 cpt_tspace@40:u32 cpt_h@44:u32
cpt_nh@48:u32 cpt_mac@52:u32 cpt_cb[5]@56:u64 cpt_mac_len@96:u32 cpt_csum@100:u32 cpt_local_df@104:u8
cpt_pkt_type@105:u8 cpt_ip_summed@106:u8 __cpt_pad1@107:u8 cpt_priority@108:u32 cpt_protocol@112:u16
cpt_security@114:u16 cpt_gso_segs@116:u16 cpt_gso_size@118:u16 cpt_gso_type@120:u16 cpt_tcp_cb[44]@122:raw

FLOCK 64 56 48
cpt_owner@16:index cpt_pid@20:u32 cpt_start@24:u64 cpt_end@32:u64 cpt_flags@40:u32 cpt_type@44:u32 cpt_svid@48:u32
cpt_lsid@56:u64

EPOLL 24
cpt_file@16:pos

EPOLL_FILE 48
cpt_file@16:pos cpt_fd@24:u32 cpt_events@28:u32 cpt_data@32:u64 cpt_revents@40:u32 cpt_ready@44:u32

BITS 24
cpt_size@16:u32 __cpt_pad1@20:u32

REF 24
cpt_pos@16:pos

X86_64_REGS 280
cpt_debugreg[8]@16:u64 cpt_fsbase@80:u64 cpt_gsbase@88:u64 cpt_fsindex@96:u32 cpt_gsindex@100:u32 cpt_ds@104:u32
cpt_es@108:u32 cpt_r15@112:u64 cpt_r14@120:u64 cpt_r13@128:u64 cpt_r12@136:u64 cpt_rbp@144:u64 cpt_rbx@152:u64
cpt_r11@160:u64 cpt_r10@168:u64 cpt_r9@176:u64 cpt_r8@184:u64 cpt_rax@192:u64 cpt_rcx@200:u64 cpt_rdx@208:u64
cpt_rsi@216:u64 cpt_rdi@224:u64 cpt_orig_rax@232:u64 cpt_rip@240:u64 cpt_cs@248:u64 cpt_eflags@256:u64 cpt_rsp@264:u64
cpt_ss@272:u64

X86_REGS 120
cpt_debugreg[8]@16:u32 cpt_fs@48:u32 cpt_gs@52:u32 cpt_ebx@56:u32 cpt_ecx@60:u32 cpt_edx@64:u32 cpt_esi@68:u32
cpt_edi@72:u32 cpt_ebp@76:u32 cpt_eax@80:u32 cpt_xds@84:u32 cpt_xes@88:u32 cpt_orig_eax@92:u32 cpt_eip@96:u32
cpt_xcs@100:u32 cpt_eflags@104:u32 cpt_esp@108:u32 cpt_xss@112:u32 cpt_ugs@116:u32

SOCKET 1048 920 912
cpt_file@16:pos cpt_parent@24:index cpt_index@28:index cpt_ssflags@32:u64 cpt_type@40:u16 cpt_family@42:u16
cpt_sstate@44:u8 cpt_passcred@45:u8 cpt_state@46:u8 cpt_reuse@47:u8 cpt_zapped@48:u8 cpt_shutdown@49:u8
cpt_userlocks@50:u8 cpt_no_check@51:u8 cpt_debug@52:u8 cpt_rcvtstamp@53:u8 cpt_localroute@54:u8 cpt_protocol@55:u8
cpt_err@56:u32 cpt_err_soft@60:u32 cpt_max_ack_backlog@64:u16 __cpt_pad1@66:u16 cpt_priority@68:u32
cpt_rcvlowat@72:u32 cpt_bound_dev_if@76:u32 cpt_rcvtimeo@80:u64 cpt_sndtimeo@88:u64 cpt_rcvbuf@96:u32
cpt_sndbuf@100:u32 cpt_flags@104:u64 cpt_lingertime@112:u64 cpt_peer_pid@120:u32 cpt_peer_uid@124:u32
cpt_peer_gid@128:u32 cpt_laddrlen@132:u32 cpt_laddr[32]@136:u32 cpt_raddrlen@264:u32 cpt_raddr[32]@268:u32
cpt_peer@396:index cpt_socketpair@400:u8 cpt_sockflags@401:u8 __cpt_pad4@402:u16 __cpt_pad5@404:u32 cpt_stamp@408:u64
cpt_daddr@416:u32 cpt_dport@420:u16 cpt_sport@422:u16 cpt_saddr@424:u32 cpt_rcv_saddr@428:u32

CGROUP 32 28
cpt_index@16:index cpt_parent@20:index cpt_flags@24:u32

INOTIFY 40
cpt_file@16:pos cpt_user@24:u32 cpt_max_events@28:u32 cpt_last_wd@32:u32 __cpt_pad1@36:u32

INOTIFY_WATCH 24
cpt_wd@16:u32 cpt_mask@20:u32

INOTIFY_EVENT 32
cpt_wd@16:u32 cpt_mask@20:u32 cpt_cookie@24:u32 cpt_namelen@28:u32

NET_DEVICE 48 40
cpt_index@16:u32 cpt_flags@20:u32 cpt_name[16]@24:text cpt_mtu@40:u32 cpt_pad@44:u32

NET_IFADDR 96
cpt_index@16:u32 cpt_family@20:u8 cpt_masklen@21:u8 cpt_flags@22:u8 cpt_scope@23:u8 cpt_address[4]@24:u32
cpt_peer[4]@40:u32 cpt_broadcast[4]@56:u32 cpt_label[16]@72:text cpt_valid_lft@88:u32 cpt_prefered_lft@92:u32

NET_TUNTAP 72
cpt_owner@16:u32 unused@20:u32 cpt_flags@24:u64 cpt_bindfile@32:pos cpt_if_flags@40:u64 cpt_dev_addr[6]@48:raw
cpt_pad@54:u16 cpt_chr_filter[2]@56:u32 cpt_net_filter[2]@64:u32

NET_VETH 24
cpt_allow_mac_change@16:u32 __cpt_pad@20:u32

SYSV_SHM 128
cpt_key@16:u64 cpt_uid@24:u64 cpt_gid@32:u64 cpt_cuid@40:u64 cpt_cgid@48:u64 cpt_mode@56:u64 cpt_seq@64:u64
cpt_id@72:u32 cpt_mlockuser@76:u32 cpt_segsz@80:u64 cpt_atime@88:u64 cpt_ctime@96:u64 cpt_dtime@104:u64
cpt_creator@112:u64 cpt_last@120:u64

SYSV_SEM 96
cpt_key@16:u64 cpt_uid@24:u64 cpt_gid@32:u64 cpt_cuid@40:u64 cpt_cgid@48:u64 cpt_mode@56:u64 cpt_seq@64:u64
cpt_id@72:u32 __cpt_pad1@76:u32 cpt_otime@80:u64 cpt_ctime@88:u64

SYSVMSG 128
cpt_key@16:u64 cpt_uid@24:u64 cpt_gid@32:u64 cpt_cuid@40:u64 cpt_cgid@48:u64 cpt_mode@56:u64 cpt_seq@64:u64
cpt_id@72:u32 __cpt_pad1@76:u32 cpt_stime@80:u64 cpt_rtime@88:u64 cpt_ctime@96:u64 cpt_last_sender@104:u64
cpt_last_receiver@112:u64 cpt_qbytes@120:u64

SYSVMSG_MSG 32
cpt_type@16:u64 cpt_size@24:u64

SYSVSEM_UNDO_REC 24
cpt_id@16:u32 cpt_nsem@20:u32

POSIX_TIMER 88
cpt_timer_id@16:u32 cpt_timer_clock@20:u32 cpt_timer_overrun@24:u32 cpt_timer_overrun_last@28:u32
cpt_timer_signal_pending@32:u32 __cpt_pad1@36:u32 cpt_timer_interval@40:u64 cpt_timer_value@48:u64
cpt_sigev_value@56:u64 cpt_sigev_signo@64:u32 cpt_sigev_notify@68:u32 cpt_sigev_notify_tid@72:u32 __cpt_pad2@76:u32
cpt_dump_time@80:u64

TIMERFD 48
cpt_it_value@16:u64 cpt_it_interval@24:u64 cpt_ticks@32:u64 cpt_expired@40:u32 cpt_clockid@44:u32

EVENTFD 32
cpt_count@16:u64 cpt_flags@24:u32

SIGALTSTACK 32
cpt_stack@16:u64 cpt_stacksize@24:u32 __cpt_pad1@28:u32

TASK_AUX 152
cpt_robust_list@16:u64 __cpt_future[16]@24:u64

AIO_CONTEXT 40
cpt_max_reqs@16:u32 cpt_ring_pages@20:u32 cpt_tail@24:u32 cpt_nr@28:u32 cpt_mmap_base@32:u64

OPENREQ 96
cpt_rcv_isn@16:u32 cpt_snt_isn@20:u32 cpt_rmt_port@24:u16 cpt_mss@26:u16 cpt_family@28:u8 cpt_retrans@29:u8
cpt_snd_wscale@30:u8 cpt_rcv_wscale@31:u8 cpt_tstamp_ok@32:u8 cpt_sack_ok@33:u8 cpt_wscale_ok@34:u8 cpt_ecn_ok@35:u8
cpt_acked@36:u8 __cpt_pad1@37:u8 __cpt_pad2@38:u16 cpt_window_clamp@40:u32 cpt_rcv_wnd@44:u32 cpt_ts_recent@48:u32
cpt_iif@52:u32 cpt_expires@56:u64 cpt_loc_addr[2]@64:u64 cpt_rmt_addr[2]@80:u64

NET_CONNTRACK 232
cpt_tuple[48]@16:raw cpt_status@64:u64 cpt_timeout@72:u64 cpt_index@80:index cpt_ct_helper@84:u8 cpt_nat_helper@85:u8
cpt_pad1@86:u16 cpt_proto_data[16]@88:u32 cpt_help_data[8]@152:u32 cpt_nat_seq[32]@184:raw cpt_masq_index@216:u32
cpt_id@220:u32 cpt_mark@224:u32

NET_CONNTRACK_EXPECT 96
cpt_timeout@16:u64 cpt_sibling_conntrack@24:index cpt_pad1@28:u32 cpt_tuple.cpt_src@32:u32 cpt_tuple.cpt_srcport@36:u16
cpt_tuple.__cpt_pad1@38:u16 cpt_tuple.cpt_dst@40:u32 cpt_tuple.cpt_dstport@44:u16 cpt_tuple.cpt_protonum@46:u8
cpt_tuple.cpt_dir@47:u8 cpt_tuple.cpt_l3num@48:u16 cpt_mask.cpt_src@56:u32 cpt_mask.cpt_srcport@60:u16
cpt_mask.__cpt_pad1@62:u16 cpt_mask.cpt_dst@64:u32 cpt_mask.cpt_dstport@68:u16 cpt_mask.cpt_protonum@70:u8
cpt_mask.cpt_dir@71:u8 cpt_mask.cpt_l3num@72:u16 cpt_dir@80:u8 cpt_flags@81:u8 cpt_pad2[6]@82:u8 cpt_class@88:u32
cpt_pad3@92:u32

FLOCK_I386 64 56 48
cpt_owner@16:index cpt_pid@20:u32 cpt_start@24:u64 cpt_end@32:u64 cpt_flags@40:u32 cpt_type@44:u32 cpt_svid@48:u32
cpt_lsid@52:u64

SIGINFO_I386 192 72
cpt_qflags@16:u32 cpt_signo@20:u32 cpt_errno@24:u32 cpt_code@28:u32 cpt_sigval@32:u64 cpt_pid@40:u32 cpt_uid@44:u32
cpt_utime@48:u64 cpt_stime@56:u64 cpt_user@64:u64
"""
