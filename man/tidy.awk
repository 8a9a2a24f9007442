# Takes out of scdoc's output the paragraph macros that do nothing, at which mandoc -Tlint warns: after a heading, and
# before one. Where an indent ends, the paragraph begins after it. In examples, which people copy, groff(1) would show
# some signs as those of a printed text: a minus as a hyphen, a straight quote as a curly one.
$0 == ".P" || $0 == ".PP" { waiting = !afterHeading; next }
/^\.RE/ { print; next }
/^\.S[HS] / { waiting = 0 }
waiting { print ".P"; waiting = 0 }
/^\.nf/ { isExample = 1 }
/^\.fi/ { isExample = 0 }
isExample && !/^\./ {
	gsub(/-/, "\\-"); gsub(/'/, "\\(aq"); gsub(/`/, "\\(ga"); gsub(/\^/, "\\(ha"); gsub(/~/, "\\(ti")
}
{ print; afterHeading = /^\.(SH|SS|TH) / }
