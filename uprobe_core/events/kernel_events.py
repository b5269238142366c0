"""Event names that a kernel has taken already (Debian 6.12.117, arm64, ``available_events``).

A uprobe event of such a group and name is refused with EVENT_EXIST.  Only
policy=kernel asks, and only for groups other than ``uprobes``.
"""

from __future__ import annotations

__all__ = ("is_kernel_event",)

_SYSTEM_CALLS = """
    accept accept4 acct add_key adjtimex arm64_personality bind bpf brk cachestat capget capset chdir
    chroot clock_adjtime clock_getres clock_gettime clock_nanosleep clock_settime clone clone3 close
    close_range connect copy_file_range delete_module dup dup3 epoll_create1 epoll_ctl epoll_pwait
    epoll_pwait2 eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64_64 fallocate
    fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync
    fgetxattr finit_module flistxattr flock fremovexattr fsconfig fsetxattr fsmount fsopen fspick
    fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake get_mempolicy
    get_robust_list getcpu getcwd getdents64 getegid geteuid getgid getgroups getitimer getpeername
    getpgid getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
    getsockname getsockopt gettid gettimeofday getuid getxattr init_module inotify_add_watch
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
    io_uring_enter io_uring_register io_uring_setup ioctl ioprio_get ioprio_set kcmp kexec_load keyctl
    kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lgetxattr linkat listen
    listmount listxattr llistxattr lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr madvise mbind membarrier memfd_create memfd_secret migrate_pages mincore mkdirat
    mknodat mlock mlock2 mlockall mmap mount mount_setattr move_mount move_pages mprotect
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget
    msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstat newfstatat
    newuname open_by_handle_at open_tree openat openat2 perf_event_open pidfd_getfd pidfd_open
    pidfd_send_signal pipe2 pivot_root pkey_alloc pkey_free pkey_mprotect ppoll prctl pread64 preadv
    preadv2 prlimit64 process_madvise process_mrelease process_vm_readv process_vm_writev pselect6
    ptrace pwrite64 pwritev pwritev2 quotactl quotactl_fd read readahead readlinkat readv reboot
    recvfrom recvmmsg recvmsg remap_file_pages removexattr renameat renameat2 request_key
    restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp semctl
    semget semop semtimedop sendfile64 sendmmsg sendmsg sendto set_mempolicy set_mempolicy_home_node
    set_robust_list set_tid_address setdomainname setfsgid setfsuid setgid setgroups sethostname
    setitimer setns setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid
    setsockopt settimeofday setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd4
    socket socketpair splice statfs statmount statx swapoff swapon symlinkat sync sync_file_range
    syncfs sysinfo syslog tee tgkill timer_create timer_delete timer_getoverrun timer_gettime
    timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask umount
    unlinkat unshare userfaultfd utimensat vhangup vmsplice wait4 waitid write writev
"""

_EVENTS = {
    "alarmtimer": "alarmtimer_cancel alarmtimer_fired alarmtimer_start alarmtimer_suspend",
    "avc": "selinux_audited",
    "block": """
        block_bio_backmerge block_bio_bounce block_bio_complete block_bio_frontmerge block_bio_queue
        block_bio_remap block_dirty_buffer block_getrq block_io_done block_io_start block_plug
        block_rq_complete block_rq_error block_rq_insert block_rq_issue block_rq_merge block_rq_remap
        block_rq_requeue block_split block_touch_buffer block_unplug
    """,
    "bpf_test_run": "bpf_test_finish bpf_trigger_tp",
    "bpf_trace": "bpf_trace_printk",
    "bridge": "br_fdb_add br_fdb_external_learn_add br_fdb_update br_mdb_full fdb_delete",
    "cgroup": """
        cgroup_attach_task cgroup_destroy_root cgroup_freeze cgroup_mkdir cgroup_notify_frozen
        cgroup_notify_populated cgroup_release cgroup_remount cgroup_rename cgroup_rmdir
        cgroup_rstat_cpu_lock_contended cgroup_rstat_cpu_lock_contended_fastpath cgroup_rstat_cpu_locked
        cgroup_rstat_cpu_locked_fastpath cgroup_rstat_cpu_unlock cgroup_rstat_cpu_unlock_fastpath
        cgroup_rstat_lock_contended cgroup_rstat_locked cgroup_rstat_unlock cgroup_setup_root
        cgroup_transfer_tasks cgroup_unfreeze
    """,
    "clk": """
        clk_disable clk_disable_complete clk_enable clk_enable_complete clk_prepare clk_prepare_complete
        clk_rate_request_done clk_rate_request_start clk_set_duty_cycle clk_set_duty_cycle_complete
        clk_set_max_rate clk_set_min_rate clk_set_parent clk_set_parent_complete clk_set_phase
        clk_set_phase_complete clk_set_rate clk_set_rate_complete clk_set_rate_range clk_unprepare
        clk_unprepare_complete
    """,
    "cma": "cma_alloc_busy_retry cma_alloc_finish cma_alloc_start cma_release",
    "compaction": """
        mm_compaction_begin mm_compaction_defer_compaction mm_compaction_defer_reset
        mm_compaction_deferred mm_compaction_end mm_compaction_fast_isolate_freepages
        mm_compaction_finished mm_compaction_isolate_freepages mm_compaction_isolate_migratepages
        mm_compaction_kcompactd_sleep mm_compaction_kcompactd_wake mm_compaction_migratepages
        mm_compaction_suitable mm_compaction_try_to_compact_pages mm_compaction_wakeup_kcompactd
    """,
    "context_tracking": "user_enter user_exit",
    "cpuhp": "cpuhp_enter cpuhp_exit cpuhp_multi_enter",
    "cros_ec": "cros_ec_request_done cros_ec_request_start",
    "csd": "csd_function_entry csd_function_exit csd_queue_cpu",
    "cxl": """
        cxl_aer_correctable_error cxl_aer_uncorrectable_error cxl_dram cxl_general_media cxl_generic_event
        cxl_memory_module cxl_overflow cxl_poison
    """,
    "damon": "damon_aggregated damos_before_apply",
    "dev": "devres_log",
    "devfreq": "devfreq_frequency devfreq_monitor",
    "devlink": """
        devlink_health_recover_aborted devlink_health_report devlink_health_reporter_state_update
        devlink_hwerr devlink_hwmsg devlink_trap_report
    """,
    "dma": """
        dma_alloc dma_alloc_pages dma_alloc_sgt dma_alloc_sgt_err dma_free dma_free_pages dma_free_sgt
        dma_map_page dma_map_resource dma_map_sg dma_map_sg_err dma_sync_sg_for_cpu dma_sync_sg_for_device
        dma_sync_single_for_cpu dma_sync_single_for_device dma_unmap_page dma_unmap_resource dma_unmap_sg
    """,
    "dma_fence": """
        dma_fence_destroy dma_fence_emit dma_fence_enable_signal dma_fence_init dma_fence_signaled
        dma_fence_wait_end dma_fence_wait_start
    """,
    "emulation": "instruction_emulation",
    "error_report": "error_report_end",
    "fib": "fib_table_lookup",
    "fib6": "fib6_table_lookup",
    "filelock": """
        break_lease_block break_lease_noblock break_lease_unblock fcntl_setlk flock_lock_inode
        generic_add_lease generic_delete_lease leases_conflict locks_get_lock_context locks_remove_posix
        posix_lock_inode time_out_leases
    """,
    "filemap": """
        file_check_and_advance_wb_err filemap_set_wb_err mm_filemap_add_to_page_cache
        mm_filemap_delete_from_page_cache mm_filemap_fault mm_filemap_get_pages mm_filemap_map_pages
    """,
    "fs_dax": """
        dax_insert_mapping dax_insert_pfn_mkwrite dax_insert_pfn_mkwrite_no_entry dax_load_hole
        dax_pmd_fault dax_pmd_fault_done dax_pmd_insert_mapping dax_pmd_load_hole
        dax_pmd_load_hole_fallback dax_pte_fault dax_pte_fault_done dax_writeback_one dax_writeback_range
        dax_writeback_range_done
    """,
    "ftrace": """
        bprint bputs branch context_switch func_repeats funcgraph_entry funcgraph_exit function hwlat
        kernel_stack mmiotrace_map mmiotrace_rw osnoise print raw_data timerlat user_stack wakeup
    """,
    "fuse": "fuse_request_end fuse_request_send",
    "gpio": "gpio_direction gpio_value",
    "gpu_mem": "gpu_mem_total",
    "handshake": """
        handshake_cancel handshake_cancel_busy handshake_cancel_none handshake_cmd_accept
        handshake_cmd_accept_err handshake_cmd_done handshake_cmd_done_err handshake_complete
        handshake_destruct handshake_notify_err handshake_submit handshake_submit_err tls_alert_recv
        tls_alert_send tls_contenttype
    """,
    "huge_memory": """
        mm_collapse_huge_page mm_collapse_huge_page_isolate mm_collapse_huge_page_swapin
        mm_khugepaged_collapse_file mm_khugepaged_scan_file mm_khugepaged_scan_pmd
    """,
    "hw_pressure": "hw_pressure_update",
    "hwmon": "hwmon_attr_show hwmon_attr_show_string hwmon_attr_store",
    "i2c": "i2c_read i2c_reply i2c_result i2c_write",
    "i2c_slave": "i2c_slave",
    "icmp": "icmp_send",
    "initcall": "initcall_finish initcall_level initcall_start",
    "interconnect": "icc_set_bw icc_set_bw_end",
    "io_uring": """
        io_uring_complete io_uring_cqe_overflow io_uring_cqring_wait io_uring_create io_uring_defer
        io_uring_fail_link io_uring_file_get io_uring_link io_uring_local_work_run io_uring_poll_arm
        io_uring_queue_async_work io_uring_register io_uring_req_failed io_uring_short_write
        io_uring_submit_req io_uring_task_add io_uring_task_work_run
    """,
    "iocost": """
        iocost_inuse_adjust iocost_inuse_shortage iocost_inuse_transfer iocost_ioc_vrate_adj
        iocost_iocg_activate iocost_iocg_forgive_debt iocost_iocg_idle
    """,
    "iomap": """
        iomap_dio_complete iomap_dio_invalidate_fail iomap_dio_rw_begin iomap_dio_rw_queued
        iomap_invalidate_folio iomap_iter iomap_iter_dstmap iomap_iter_srcmap iomap_readahead
        iomap_readpage iomap_release_folio iomap_writepage iomap_writepage_map
    """,
    "iommu": "add_device_to_group attach_device_to_domain io_page_fault map remove_device_from_group unmap",
    "ipi": "ipi_entry ipi_exit ipi_raise ipi_send_cpu ipi_send_cpumask",
    "irq": """
        irq_handler_entry irq_handler_exit softirq_entry softirq_exit softirq_raise tasklet_entry
        tasklet_exit
    """,
    "kmem": """
        kfree kmalloc kmem_cache_alloc kmem_cache_free mm_alloc_contig_migrate_range_info mm_page_alloc
        mm_page_alloc_extfrag mm_page_alloc_zone_locked mm_page_free mm_page_free_batched
        mm_page_pcpu_drain rss_stat
    """,
    "ksm": """
        ksm_advisor ksm_enter ksm_exit ksm_merge_one_page ksm_merge_with_ksm_page ksm_remove_ksm_page
        ksm_remove_rmap_item ksm_start_scan ksm_stop_scan
    """,
    "kvm": """
        kvm_access_fault kvm_ack_irq kvm_age_hva kvm_arm_clear_debug kvm_arm_set_dreg32 kvm_arm_set_regset
        kvm_arm_setup_debug kvm_dirty_ring_exit kvm_dirty_ring_push kvm_dirty_ring_reset kvm_entry
        kvm_exit kvm_forward_sysreg_trap kvm_fpu kvm_get_timer_map kvm_guest_fault kvm_halt_poll_ns
        kvm_handle_sys_reg kvm_hvc_arm64 kvm_inject_nested_exception kvm_irq_line kvm_mmio
        kvm_mmio_emulate kvm_mmio_nisv kvm_nested_eret kvm_set_guest_debug kvm_set_irq kvm_set_way_flush
        kvm_sys_access kvm_test_age_hva kvm_timer_emulate kvm_timer_hrtimer_expire kvm_timer_restore_state
        kvm_timer_save_state kvm_timer_update_irq kvm_toggle_cache kvm_unmap_hva_range kvm_userspace_exit
        kvm_vcpu_wakeup kvm_wfx_arm64 trap_reg vgic_update_irq_pending
    """,
    "lock": "contention_begin contention_end",
    "maple_tree": "ma_op ma_read ma_write",
    "migrate": "mm_migrate_pages mm_migrate_pages_start remove_migration_pte set_migration_pte",
    "mmap": "exit_mmap vm_unmapped_area vma_mas_szero vma_store",
    "mmap_lock": "mmap_lock_acquire_returned mmap_lock_released mmap_lock_start_locking",
    "mmc": "mmc_request_done mmc_request_start",
    "module": "module_free module_get module_load module_put module_request",
    "mptcp": """
        ack_update_msk get_mapping_status mptcp_sendmsg_frag mptcp_subflow_get_send
        subflow_check_data_avail
    """,
    "napi": "dql_stall_detected napi_poll",
    "neigh": """
        neigh_cleanup_and_release neigh_create neigh_event_send_dead neigh_event_send_done
        neigh_timer_handler neigh_update neigh_update_done
    """,
    "net": """
        napi_gro_frags_entry napi_gro_frags_exit napi_gro_receive_entry napi_gro_receive_exit
        net_dev_queue net_dev_start_xmit net_dev_xmit net_dev_xmit_timeout netif_receive_skb
        netif_receive_skb_entry netif_receive_skb_exit netif_receive_skb_list_entry
        netif_receive_skb_list_exit netif_rx netif_rx_entry netif_rx_exit
    """,
    "netlink": "netlink_extack",
    "notifier": "notifier_register notifier_run notifier_unregister",
    "oom": """
        compact_retry finish_task_reaping mark_victim oom_score_adj_update reclaim_retry_zone
        skip_task_reaping start_task_reaping wake_reaper
    """,
    "page_isolation": "test_pages_isolated",
    "page_pool": "page_pool_release page_pool_state_hold page_pool_state_release page_pool_update_nid",
    "pagemap": "mm_lru_activate mm_lru_insertion",
    "percpu": """
        percpu_alloc_percpu percpu_alloc_percpu_fail percpu_create_chunk percpu_destroy_chunk
        percpu_free_percpu
    """,
    "power": """
        clock_disable clock_enable clock_set_rate cpu_frequency cpu_frequency_limits cpu_idle
        cpu_idle_miss dev_pm_qos_add_request dev_pm_qos_remove_request dev_pm_qos_update_request
        device_pm_callback_end device_pm_callback_start guest_halt_poll_ns pm_qos_add_request
        pm_qos_remove_request pm_qos_update_flags pm_qos_update_request pm_qos_update_target
        power_domain_target powernv_throttle pstate_sample suspend_resume wakeup_source_activate
        wakeup_source_deactivate
    """,
    "printk": "console",
    "pwm": "pwm_apply pwm_get",
    "qcom_aoss": "aoss_send aoss_send_done",
    "qcom_scm": "scm_smc_done scm_smc_request scm_waitq_get_wq_ctx scm_waitq_resume scm_waitq_sleep",
    "qdisc": "qdisc_create qdisc_dequeue qdisc_destroy qdisc_enqueue qdisc_reset",
    "ras": "aer_event arm_event mc_event memory_failure_event non_standard_event",
    "raw_syscalls": "sys_enter sys_exit",
    "rcu": "rcu_stall_warning rcu_utilization",
    "regmap": """
        regcache_drop_region regcache_sync regmap_async_complete_done regmap_async_complete_start
        regmap_async_io_complete regmap_async_write_start regmap_bulk_read regmap_bulk_write
        regmap_cache_bypass regmap_cache_only regmap_hw_read_done regmap_hw_read_start
        regmap_hw_write_done regmap_hw_write_start regmap_reg_read regmap_reg_read_cache regmap_reg_write
    """,
    "regulator": """
        regulator_bypass_disable regulator_bypass_disable_complete regulator_bypass_enable
        regulator_bypass_enable_complete regulator_disable regulator_disable_complete regulator_enable
        regulator_enable_complete regulator_enable_delay regulator_set_voltage
        regulator_set_voltage_complete
    """,
    "rpm": "rpm_idle rpm_resume rpm_return_int rpm_status rpm_suspend rpm_usage",
    "rpmh": "rpmh_send_msg rpmh_tx_done",
    "rseq": "rseq_ip_fixup rseq_update",
    "rtc": """
        rtc_alarm_irq_enable rtc_irq_set_freq rtc_irq_set_state rtc_read_alarm rtc_read_offset
        rtc_read_time rtc_set_alarm rtc_set_offset rtc_set_time rtc_timer_dequeue rtc_timer_enqueue
        rtc_timer_fired
    """,
    "sched": """
        sched_kthread_stop sched_kthread_stop_ret sched_kthread_work_execute_end
        sched_kthread_work_execute_start sched_kthread_work_queue_work sched_migrate_task sched_move_numa
        sched_pi_setprio sched_prepare_exec sched_process_exec sched_process_exit sched_process_fork
        sched_process_free sched_process_hang sched_process_wait sched_skip_vma_numa sched_stat_blocked
        sched_stat_iowait sched_stat_runtime sched_stat_sleep sched_stat_wait sched_stick_numa
        sched_swap_numa sched_switch sched_wait_task sched_wake_idle_without_ipi sched_wakeup
        sched_wakeup_new sched_waking
    """,
    "scmi": "scmi_fc_call scmi_msg_dump scmi_rx_done scmi_xfer_begin scmi_xfer_end scmi_xfer_response_wait",
    "signal": "signal_deliver signal_generate",
    "skb": "consume_skb kfree_skb skb_copy_datagram_iovec",
    "smbus": "smbus_read smbus_reply smbus_result smbus_write",
    "sock": """
        inet_sk_error_report inet_sock_set_state sk_data_ready sock_exceed_buf_limit sock_rcvqueue_full
        sock_recv_length sock_send_length
    """,
    "spi": """
        spi_controller_busy spi_controller_idle spi_message_done spi_message_start spi_message_submit
        spi_set_cs spi_setup spi_transfer_start spi_transfer_stop
    """,
    "spmi": "spmi_cmd spmi_read_begin spmi_read_end spmi_write_begin spmi_write_end",
    "swiotlb": "swiotlb_bounced",
    "task": "task_newtask task_rename",
    "tcp": """
        tcp_ao_handshake_failure tcp_ao_key_not_found tcp_ao_mismatch tcp_ao_rcv_sne_update
        tcp_ao_rnext_request tcp_ao_snd_sne_update tcp_ao_synack_no_key tcp_ao_wrong_maclen tcp_bad_csum
        tcp_cong_state_set tcp_destroy_sock tcp_hash_ao_required tcp_hash_bad_header tcp_hash_md5_mismatch
        tcp_hash_md5_required tcp_hash_md5_unexpected tcp_probe tcp_rcv_space_adjust tcp_receive_reset
        tcp_retransmit_skb tcp_retransmit_synack tcp_send_reset
    """,
    "tegra_apb_dma": "tegra_dma_complete_cb tegra_dma_isr tegra_dma_tx_status",
    "thermal": """
        cdev_update thermal_power_cpu_get_power_simple thermal_power_cpu_limit
        thermal_power_devfreq_get_power thermal_power_devfreq_limit thermal_temperature thermal_zone_trip
    """,
    "thermal_power_allocator": "thermal_power_actor thermal_power_allocator thermal_power_allocator_pid",
    "thp": "remove_migration_pmd set_migration_pmd",
    "timer": """
        hrtimer_cancel hrtimer_expire_entry hrtimer_expire_exit hrtimer_init hrtimer_start itimer_expire
        itimer_state tick_stop timer_base_idle timer_cancel timer_expire_entry timer_expire_exit
        timer_init timer_start
    """,
    "timer_migration": """
        tmigr_connect_child_parent tmigr_connect_cpu_parent tmigr_cpu_active tmigr_cpu_idle
        tmigr_cpu_new_timer tmigr_cpu_new_timer_idle tmigr_cpu_offline tmigr_cpu_online tmigr_group_set
        tmigr_group_set_cpu_active tmigr_group_set_cpu_inactive tmigr_handle_remote
        tmigr_handle_remote_cpu tmigr_update_events
    """,
    "tlb": "tlb_flush",
    "udp": "udp_fail_queue_rcv_skb",
    "vmalloc": "alloc_vmap_area free_vmap_area_noflush purge_vmap_area_lazy",
    "vmscan": """
        mm_shrink_slab_end mm_shrink_slab_start mm_vmscan_direct_reclaim_begin
        mm_vmscan_direct_reclaim_end mm_vmscan_kswapd_sleep mm_vmscan_kswapd_wake mm_vmscan_lru_isolate
        mm_vmscan_lru_shrink_active mm_vmscan_lru_shrink_inactive mm_vmscan_memcg_reclaim_begin
        mm_vmscan_memcg_reclaim_end mm_vmscan_memcg_softlimit_reclaim_begin
        mm_vmscan_memcg_softlimit_reclaim_end mm_vmscan_node_reclaim_begin mm_vmscan_node_reclaim_end
        mm_vmscan_throttled mm_vmscan_wakeup_kswapd mm_vmscan_write_folio
    """,
    "watchdog": "watchdog_ping watchdog_set_timeout watchdog_start watchdog_stop",
    "wbt": "wbt_lat wbt_stat wbt_step wbt_timer",
    "workqueue": """
        workqueue_activate_work workqueue_execute_end workqueue_execute_start workqueue_queue_work
    """,
    "writeback": """
        balance_dirty_pages bdi_dirty_ratelimit flush_foreign folio_wait_writeback global_dirty_state
        inode_foreign_history inode_switch_wbs sb_clear_inode_writeback sb_mark_inode_writeback
        track_foreign_dirty wbc_writepage writeback_bdi_register writeback_dirty_folio
        writeback_dirty_inode writeback_dirty_inode_enqueue writeback_dirty_inode_start writeback_exec
        writeback_lazytime writeback_lazytime_iput writeback_mark_inode_dirty writeback_pages_written
        writeback_queue writeback_queue_io writeback_sb_inodes_requeue writeback_single_inode
        writeback_single_inode_start writeback_start writeback_wait writeback_wake_background
        writeback_write_inode writeback_write_inode_start writeback_written
    """,
    "xdp": """
        bpf_xdp_link_attach_failed mem_connect mem_disconnect mem_return_failed xdp_bulk_tx
        xdp_cpumap_enqueue xdp_cpumap_kthread xdp_devmap_xmit xdp_exception xdp_redirect xdp_redirect_err
        xdp_redirect_map xdp_redirect_map_err
    """,
}


def is_kernel_event(group: str, name: str) -> bool:
    """Whether the kernel itself has an event ``group/name``."""
    if group == "syscalls":
        for prefix in ("sys_enter_", "sys_exit_"):
            if name.startswith(prefix):
                return name.removeprefix(prefix) in _SYSTEM_CALLS.split()
        return False
    return name in _EVENTS.get(group, "").split()
