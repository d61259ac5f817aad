# SPDX-License-Identifier: MIT
#
# tally.awk - counts tests in ctest's report in JUnit's form. Prints the lines of those that failed or were skipped, and last
# "PASSED FAILED SKIPPED". A program that reports no tests of its own, by lines of [PASS], [FAIL] and [SKIP], counts as one.

function finish() {
  if (name == "") return
  # The program's end tells more than its lines do: a crash, a time-out or a sanitizer's finding.
  if (status == "fail" && own_failed == 0) {
    print "[FAIL] " name ": see its output above"
    own_failed = 1
  }
  if (own_passed + own_failed + own_skipped == 0) {
    if (status == "run") own_passed = 1
    else {
      print "[SKIP] " name ": ctest did not run it (" status ")"
      own_skipped = 1
    }
  }
  passed += own_passed
  failed += own_failed
  skipped += own_skipped
}

function attribute(key,   text) {
  text = $0
  if (!sub(".* " key "=\"", "", text)) return ""
  sub("\".*", "", text)
  return text
}

/<testcase / {
  finish()
  name = attribute("name")
  status = attribute("status")
  own_passed = own_failed = own_skipped = 0
}

{ sub(/^.*<system-out>/, "") }
/^\[PASS\] / { own_passed++ }
/^\[FAIL\] / { own_failed++; print }
/^\[SKIP\] / { own_skipped++; print }

END {
  finish()
  print passed + 0, failed + 0, skipped + 0
}
