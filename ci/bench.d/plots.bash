# shellcheck shell=bash disable=SC2154 # ci/bench sets the variables
# SPDX-License-Identifier: MIT
#
# Part of ci/bench: a plot of each workload and state. The scale is logarithmic, since contestants differ by factors, and so has no bars.

# plot_of LABEL WORKLOAD STATE - its file's name.
plot_of() {
  echo "$1-$2-$3.svg"
}

# draw_plot LABEL WORKLOAD STATE
draw_plot() {
  local data=$build/plot.dat
  # Contestant, median, quartiles, and whether it is premap; the slowest first, since gnuplot begins below.
  awk -F, -v label="$1" -v workload="$2" -v state="$3" '
    $1 == label && $2 == workload && $5 == state && $8 == "ok" { print $7, $12, $10, $11, ($7 ~ /^premap/) }
  ' "$results/medians.csv" | sort -k2,2gr >"$data"
  [[ -s $data ]] || return 0
  gnuplot <<END
set terminal svg size 800,$((120 + 20 * $(wc -l <"$data"))) font "sans-serif,12" background "white"
set output "$results/$(plot_of "$1" "$2" "$3")"
set title "$2, $3, $1: load, touch and close (ms, median and quartiles)" noenhanced
set logscale x 2
set format x "%g"
set xrange [*:*]
set yrange [-0.7:$(wc -l <"$data") - 0.3]
set grid xtics ytics
set ytics noenhanced
unset key
plot "$data" using 2:0:3:4:(\$5 == 1 ? 0xd0582b : 0x4a6078):ytic(1) notitle with xerrorbars pointtype 7 pointsize 0.8 linecolor rgb variable
END
}

draw_plots() {
  local label workload state
  if ! command -v gnuplot >/dev/null; then
    note "SKIPPED: plots, since there is no gnuplot"
    return
  fi
  while IFS=, read -r label workload state; do
    draw_plot "$label" "$workload" "$state" || fail "the plot of $label $workload $state"
  done < <(cases)
}
