#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Correct faults of Bochs 3.0 that SecPod's tests depend on, in an unpacked source tree; and make it faster with more than one CPU.

usage: bochs-corrections.py TREE

The table below is the whole of it: in which function, after (or before) which line, which lines of
ours are added. Nothing is changed when one of the places cannot be found exactly once.
"""

import sys

# (file, function, where, anchor, lines)
CORRECTIONS = [
    # With more than one CPU an instruction left by an exception or a VM exit does not commit its
    # RIP. An event taken before the next instruction then saves a stale guest RIP.
    ("cpu/cpu.cc", "void BX_CPU_C::cpu_run_trace(", "after", "{", """
  BX_CPU_THIS_PTR prev_rip = RIP;
  BX_CPU_THIS_PTR speculative_rsp = false;
"""),
    # The CPU's own updates of accessed and dirty bits go through addresses that were translated
    # for reading, so EPT's write permission is never asked (SDM "EPT Violations").
    ("cpu/paging.cc", "BX_CPU_C::translate_linear_long_mode(", "after",
     "bx_phy_address entry_addr[5];", """
  bx_phy_address entry_gpa[5];
"""),
    ("cpu/paging.cc", "BX_CPU_C::translate_linear_long_mode(", "after",
     "entry_addr[leaf] = ppf +", """
    entry_gpa[leaf] = entry_addr[leaf];
"""),
    ("cpu/paging.cc", "BX_CPU_C::translate_linear_long_mode(", "before",
     "update_access_dirty_PAE(", """
  if (BX_CPU_THIS_PTR in_vmx_guest && BX_CPU_THIS_PTR vmcs.vmexec_ctrls2.EPT_ENABLE()) {
    for (int level = start_leaf; level >= leaf; --level) {
      Bit64u set = 0x20;

      if (level == leaf && isWrite)
        set |= 0x40;
      if ((entry[level] & set) != set)
        translate_guest_physical(entry_gpa[level], laddr, true, true, 0, 0, 0, BX_WRITE);
    }
  }
"""),
    # With more than one CPU each executes instructions up to the next taken branch, some six of them, before it is the next one's turn,
    # and the turn costs as much as they do. Up to 64 make two CPUs a sixth faster.
    ("cpu/cpu.cc", "BX_CPU_C::linkTrace(", "before", "if (BX_SMP_PROCESSORS > 1)", """
  if (BX_CPU_THIS_PTR icount - BX_CPU_THIS_PTR icount_last_sync >= 64)
"""),
    # A character takes a line at 115,200 baud 87 microseconds, in which two CPUs execute, or idle for, 17,400 instructions: half of what
    # a machine did was to wait for its line. At this rate it sends at once. (A slower one, and what comes in, keeps its rate.)
    ("iodev/serial.cc", "void bx_serial_c::write(", "before", "bx_pc_system.activate_timer(BX_SER_THIS s[port].tx_timer_index,", """
          if (BX_SER_THIS s[port].baudrate == 115200)
            bx_pc_system.activate_timer(BX_SER_THIS s[port].tx_timer_index, 1, 0);
          else
"""),
    ("iodev/serial.cc", "void bx_serial_c::tx_timer(", "before", "bx_pc_system.activate_timer(BX_SER_THIS s[port].tx_timer_index,", """
    if (BX_SER_THIS s[port].baudrate == 115200)
      bx_pc_system.activate_timer(BX_SER_THIS s[port].tx_timer_index, 1, 0);
    else
"""),
    # INVLPG looks at each entry of both TLBs as long as one of them is of a large page, and Linux invalidates page by page: a fifth of the
    # time. Now only where there may be a large page: a bit for each 2 MiB, modulo 64.
    ("cpu/tlb.h", "struct TLB {", "after", "bool split_large;", """
  Bit64u large_regions;
"""),
    ("cpu/tlb.h", "struct TLB {", "after", "split_large = false;  // flushing whole TLB", """
    large_regions = 0;
"""),
    ("cpu/tlb.h", "struct TLB {", "before", "if (split_large) {", """
    if (!((large_regions >> ((laddr >> 21) & 63)) & 1)) {
      bx_TLB_entry *tlbEntry = get_entry_of(laddr);
      if (LPFOf(tlbEntry->lpf) == LPFOf(laddr))
        tlbEntry->invalidate();
      return;
    }
"""),
    ("cpu/paging.cc", "bx_phy_address BX_CPU_C::translate_linear(", "after", "if (lpf_mask > 0xfff) {", """
      {
        Bit64u regions = lpf_mask > 0x1fffff ? ~BX_CONST64(0) : BX_CONST64(1) << ((laddr >> 21) & 63);
        if (isExecute)
          BX_CPU_THIS_PTR ITLB.large_regions |= regions;
        else
          BX_CPU_THIS_PTR DTLB.large_regions |= regions;
      }
"""),
    # Linux takes this CPU for one of 3.5 GHz, by its counter, which counts instructions: a second of sleep is 3,500 million steps. While
    # all CPUs are halted nothing happens before the next timer's event, to which one step leads. A CPU halted beside others that are
    # not passes 64 steps a turn, which is what they execute at most.
    ("main.cc", "int bx_begin_simulation(", "before", "if (n == 0) n = quantum;", """
           static Bit32u halted = 0;
           if (n != 0)
             halted = 0;
           else
             n = ++halted > BX_SMP_PROCESSORS ? bx_pc_system.getNumCpuTicksLeftNextEvent() : 64;
"""),
    ("cpu/event.cc", "bool BX_CPU_C::handleWaitForEvent(", "before", "BX_TICKN(10);", """
    if (bx_pc_system.getNumCpuTicksLeftNextEvent() > 10)
      BX_TICKN(bx_pc_system.getNumCpuTicksLeftNextEvent() - 10);
"""),
    # A reset clears the power management block's address but not the bit that enables it (PMREGMISC):
    # the firmware finds it enabled, does not set it up again and waits for a timer that is not there.
    ("iodev/acpi.cc", "void bx_acpi_ctrl_c::reset(", "after", "{", """
  BX_ACPI_THIS pci_conf[0x80] = 0x00;
"""),
]


def correct(lines, function, where, anchor, added):
    """Returns lines with added put at the anchor inside function; raises ValueError if it is not there once."""
    starts = [n for n, line in enumerate(lines) if function in line and not line.rstrip().endswith(";")]
    if len(starts) != 1:
        raise ValueError("%s found %d times" % (function, len(starts)))
    end = next(n for n in range(starts[0], len(lines)) if lines[n].startswith("}"))
    places = [n for n in range(starts[0] + 1, end) if lines[n].strip().startswith(anchor)]
    if not places or (len(places) > 1 and anchor != "{"):
        raise ValueError("%s: '%s' found %d times" % (function, anchor, len(places)))
    at = places[0] + (1 if where == "after" else 0)
    return lines[:at] + added.strip("\n").split("\n") + lines[at:]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    texts = {}
    for name, function, where, anchor, added in CORRECTIONS:
        path = "%s/%s" % (sys.argv[1], name)
        if path not in texts:
            with open(path, encoding="latin-1") as source:
                texts[path] = source.read().split("\n")
        try:
            texts[path] = correct(texts[path], function, where, anchor, added)
        except (ValueError, StopIteration) as error:
            sys.exit("%s: not the source this was written for: %s" % (path, error))
    for path, lines in texts.items():
        with open(path, "w", encoding="latin-1") as source:
            source.write("\n".join(lines))


main()
