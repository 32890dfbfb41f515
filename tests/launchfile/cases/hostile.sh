A=$(case $N in 3) echo three ;; esac); export COMMANDLINE_ARGS="--api $A"
#%%
A=$(
  # it's a comment with ) and "
  echo hi
); export COMMANDLINE_ARGS='--api'
#%%
A=$( # don't
echo x); B=2
#%%
exec 2>&1
export COMMANDLINE_ARGS="--listen"
#%%
exec >>log.txt 2>&1
A=1; export COMMANDLINE_ARGS="--listen $A"
#%%
exec 5>&1 6</dev/null
export COMMANDLINE_ARGS=--api
#%%
source ./other.sh
export COMMANDLINE_ARGS="--api $A"
#%%
while IFS= read -r A; do B=$A; done < launch.py
#%%
eval "A=5"
#%%
unset A B; A=1; unset "A"
#%%
x=A; unset $x; A=2
#%%
printf -v A '%s-%s' 1 2
#%%
printf -vA '%s' 9
#%%
f='-v'; printf $f A x
#%%
let A=3+4 B=A
#%%
(( A = 1, B = 2 ))
#%%
mapfile -t A < launch.py
#%%
readarray A <<< $'x\ny'
#%%
OPTIND=1; getopts "ab:" A -b x; B=$OPTARG
#%%
declare -n R=COMMANDLINE_ARGS; R="--by-ref"; export COMMANDLINE_ARGS
#%%
f() { local -n R=$1; R=--deep; }; f COMMANDLINE_ARGS; export COMMANDLINE_ARGS
#%%
shopt -s expand_aliases
alias setit='A=9'
setit
#%%
command export A=5
#%%
builtin export A=5
#%%
n=A; export "$n=7"
#%%
printf 'A=1\nB=2\n' > .env; export $(cat .env)
#%%
set -a
A=1
set +a
B=2
#%%
set -o allexport; A=1; set +o allexport; B=1
#%%
set -ae; A=1
#%%
set -- --one --two; A=$1; B=$#; export COMMANDLINE_ARGS="$*"
#%%
trap 'A=trapped' DEBUG
B=1
#%%
trap 'A=trapped' ERR
false
#%%
trap 'A=trapped' EXIT
#%%
trap 'A=usr' USR1; kill -USR1 $BASHPID
#%%
export() { A=shadow; }
export B=1
#%%
cd() { A=cd; }; cd x
#%%
test() { A=t; }; test -f x
#%%
[() { A=br; return 1; }
[ -f x ]
#%%
(A=1; export COMMANDLINE_ARGS=--no)
#%%
A=1 | cat; echo | A=2
#%%
shopt -s lastpipe; echo 5 | read -r A
#%%
: ${A:=def} "${B:="q w"}"
#%%
echo "${venv_dir=/x}" > /dev/null; A=$venv_dir
#%%
for A in 1 2 3; do :; done
#%%
for A; do :; done
#%%
select A in x y; do break; done <<< 2
#%%
readonly A=1; A=2; B=3
#%%
readonly A; B=1
#%%
declare -r N=4; N=5
#%%
IFS=,; x=(1 2); A="${x[*]}"
#%%
IFS=,; A=$EXTRA; B="$A"
#%%
local A=5
#%%
f() { local A=5; B=$A; }; f
#%%
f() { A=1; return; A=2; }; f
#%%
x=(1 2 3); A="${x[@]}"; B=${x[1]}; N=${#x[@]}
#%%
A=(1 2); A=3; B=$A
#%%
A=hello; A+=(x); B=$A
#%%
declare -i N=2; N+=5; A=$N
#%%
declare -i N; N=x+1
#%%
declare -u A=abc; declare -l B=ABC
#%%
declare -x A; A=1
#%%
export A; unset A; A=2
#%%
A=1; export A; export -n A; A=2
#%%
declare +x EXTRA
#%%
export -p > /dev/null; A=1
#%%
cat <<< "${A:=here}" > /dev/null
#%%
cat << 'X' > /dev/null; A=1
B=2 $(
X
#%%
cat <<-X >/dev/null
	${A:=doc}
	X
#%%
coproc C { cat; }; A=${C_PID:+set}
#%%
A=1 & B=2
#%%
A=1 true; B=$A
#%%
A=1 :; B=$A
#%%
A=1 eval 'B=$A'
#%%
A=5 export B=$A
#%%
A=5 export A
#%%
A=~; B=~/x:~/y; venv_dir="~"
#%%
A=x~; B=--d=~/x; venv_dir='~/v'
#%%
export A=~/x B=a=~/y
#%%
A=$HOME$PWD
#%%
cd /; A=$PWD; B=$OLDPWD
#%%
A=$RANDOM; B=$SECONDS$LINENO
#%%
A=${EXTRA#--}; B=${EXTRA%x*}; venv_dir=${EXTRA//-/_}
#%%
A=${EXTRA:2:3}; B=${EXTRA: -2}; N=${#EXTRA}
#%%
A=${EXTRA^^}; B=${A,,}
#%%
A=*; B=[a-z]*; venv_dir=?
#%%
x=(*); A=${x[0]}
#%%
A=<(true)
#%%
A="${B:-"--a --b"}" B="${EXTRA:+"yes  no"}"
#%%
A="${B:-'q'}" ; venv_dir="${B:-it's}"
#%%
A=${B:-'q r'}; venv_dir=${B:-"$EXTRA"}
#%%
A="${B:-a\"b}"; venv_dir="${B:-a\}b}"
#%%
A=${B:-~/x}; venv_dir="${B:-~/x}"
#%%
A="a\
b"; B=a\
b; venv_dir='a\
b'
#%%
A=$'a\'b\n'; B=$'\u00e9'; venv_dir=$'\101'
#%%
A="\$x \`y\` \\ \" \n"
#%%
A=a\ b\"c\$d
#%%
A=1;B=2;export A B;A=3
#%%
export A=1 B=$A
#%%
A=1 B=$A
#%%
true && A=1 || A=2
#%%
[ 1 = 2 ] && A=1
#%%
if true; then A=1; fi; export COMMANDLINE_ARGS=$A
#%%
if false; then return 0; fi
A=1
#%%
[ -f launch.py ] && return
export COMMANDLINE_ARGS=--never
#%%
return
A=1
#%%
f() { return 1; }; f || A=failed
#%%
f() { unset -f f; A=1; }; f; f
#%%
f() { A=1; }
f() { B=1; }
f
#%%
if true; then f() { A=1; }; else f() { B=1; }; fi; f
#%%
f() { g; }; g() { A=deep; }; f
#%%
{ A=1; } > /dev/null; { B=2; } > /nowhere/x
#%%
A=1 > /nowhere/x
#%%
export A=1 2> /nowhere/x
#%%
exec {A}>&1
#%%
A=1 {B}>&1
#%%
[[ $EXTRA =~ (api) ]] && A=${BASH_REMATCH[1]}
#%%
[[ -v x[A=3] ]]
#%%
x='B=7'; [[ x -eq 7 ]]; (( x ))
#%%
: $(( A = 3 )) ${EXTRA:B=1:2}
#%%
x[A=2]=5; : ${x[B=1]}
#%%
A=$((N+1)); B=$((010)); venv_dir=$[2+2]
#%%
A=$((1/0)); B=after
#%%
B=1; A=${N:?}; export A
#%%
POSIXLY_CORRECT=1; A=5 :
#%%
set -o posix; A=5 export B
#%%
set -k; true A=5
#%%
set -n
A=5
#%%
set -u; A=$EXTRA; B=${NOPE-x}
#%%
set -e; true; A=1
#%%
enable -n export; export A=1
#%%
hash -p /bin/true export; export A=1
#%%
e=export; $e A=1; "export" B=2; \export N=9
#%%
A=1 command -v x; command A=2
#%%
time A=1; ! B=2
#%%
time -p A=1
#%%
A={1,2}; export B={x,y}
#%%
eval; A=1
#%%
: "$(A=inner)"; B=`A=tick`
#%%
echo "${A:=$(echo sub)}" > /dev/null
#%%
A=${!EXTRA}; n=N; B=${!n}
#%%
n='A=3'; declare "$n"
#%%
declare "A=1" 'B=2'
#%%
declare A"=1"; export 'B'=2
#%%
A=1; A= ; B=""; unset N
#%%
A=$UNSET; B="$UNSET"; venv_dir=${UNSET}
#%%
A=é; B=é${A}ö; é=1
#%%
A=$é; B="$é$EXTRA"
#%%
A=1; if :; then (exit 3); fi; B=2
#%%
while :; do A=1; break; done; until false; do B=1; break; done
#%%
case x in x) A=1 ;& y) B=2 ;; esac
#%%
case "$EXTRA" in (*api*) A=1;; esac
#%%
A='
'; B="
"
#%%
A=1 # B=2
# A=3
#B=4
#%%
A=a#b; B=#c; venv_dir=x #d
#%%
export COMMANDLINE_ARGS="--api" # "quoted # here"
#%%
A=$(echo "a)b" ')' \) ); B=1
#%%
A="$(echo "in \"deep\" $(echo ")")")"; B=1
#%%
A=`echo \`echo x\``; B=1
#%%
A=${B:-$(echo "}")}; N=1
#%%
A="${B:-${N:-"${EXTRA:-z}"}}"
#%%
function f { A=1; }; f
#%%
function f() { A=1; } 2>/dev/null; f
#%%
f() ( A=1 ); f; B=$A
#%%
f() { A=$1; }; f "x y"; B=$A
#%%
f() if true; then A=1; fi; f
#%%
A=$(<launch.py)x; B=$(<other.sh)
#%%
read -r A B <<< "1 2 3"
#%%
read -d '' -r A <<'E'
x
E
B=1
#%%
read -ra A <<< "1 2"; B=$A
#%%
IFS== read -r A B <<< "k=v"
#%%
wait -p A; B=1
#%%
true & wait -n -p A
#%%
shift; A=$1
#%%
. /dev/null; A=1
#%%
. /dev/stdin <<< 'A=5'
#%%
BASH_ENV=x ENV=y; A=1
#%%
PATH=/nowhere:$PATH; A=$PATH
#%%
export PATH="$HOME/bin:$PATH"; A=${PATH%%:*}
#%%
HOME=/other; A=~/x; B=$HOME
#%%
unset HOME; A=~/x
#%%
LANG=C A=1; export LANG
#%%
GLOBIGNORE='*'; A=1
#%%
UID=5; A=1
#%%
RANDOM=1; A=$RANDOM
#%%
SECONDS=0; A=$SECONDS
#%%
alias A=1; B=$A
#%%
A=1; test -v A && B=2
#%%
A=x; [ "$A" = x ] || exit 1; B=2
#%%
pushd / >/dev/null; A=$PWD; popd > /dev/null
#%%
umask 077; ulimit -c 0; A=1
#%%
bind 'set editing-mode vi' 2>/dev/null; A=1
#%%
complete -F f x; compopt -o nospace x 2>/dev/null; A=1
#%%
declare -f; declare -F; A=1
#%%
declare -g A=1; f() { declare -g B=2; }; f
#%%
declare -A A; A[k]=v
#%%
declare -a B=(1 2); A=$B
#%%
typeset A=1; typeset -x B=2
#%%
declare -t A=1; declare -c B=abc
#%%
history -s 'A=1'; fc -l 2>/dev/null; B=1
#%%
export COMMANDLINE_ARGS="--api"; export COMMANDLINE_ARGS+=" --listen"
#%%
export "COMMANDLINE_ARGS=--api $EXTRA"; export 'A=$EXTRA'
#%%
export "A="$EXTRA
#%%
export A=$EXTRA B
#%%
readonly COMMANDLINE_ARGS="--api"; export COMMANDLINE_ARGS; COMMANDLINE_ARGS=--other
#%%
# foo \
A=1
#%%
A=1 \
B=2
#%%
A=1\
2
#%%
﻿A=1
B=2
#%%
A= 1
#%%
A=1	B=2
#%%
A=1B=2
#%%
A=1B=2
#%%
A=1
B=$A
export COMMANDLINE_ARGS="--api"

#%%
if true
then
A=1
fi

#%%

A=1


#%%
A=1B=2
#%%
A=“x”
#%%
export A =1
#%%
A= 1
#%%
A =1
#%%
$A=1
#%%
"A"=1
#%%
A[0]=x
#%%
A+=1 B+=2
#%%
{A,B}=1
#%%
!A=1
#%%
if A=1; B=2; then :; fi
#%%
cat <<E
A=1
#%%
A=$(cat <<E
)
E
)
B=1
#%%
A="$(cat <<'E'
"
E
)"
B=1
#%%
A=(
# c )
1 # two
)
B=$A
#%%
declare -a A='(1 2)'; B=$A
#%%
export A=(1 2)
#%%
((A=1);(B=2))
#%%
( (A=1); B=2 )
#%%
A=$( (echo x) )
#%%
A=$(( (1+2)*3 ))
#%%
A=$((echo x); echo y)
#%%
[[ a =~ a(b|c)* ]] && A=1
#%%
[[ a < b ]]; A=1
#%%
[ a \< b ]; A=1
#%%
A=`echo \`echo y\``
#%%
A=a`true`b
#%%
A="a`echo \"q\"`"
#%%
A=$'a\
b'
#%%
A="\
"
#%%
A=""""
#%%
A=''"x"''
#%%
A=\
#%%
A=x\
#%%
A="x\\"
#%%
A=x\ 
#%%
A=#x
#%%
A=x #y
#%%
A=x;#y
#%%
echo a#b;A=1
#%%
A=$#
#%%
A=${#}
#%%
A=${#A}
#%%
A=$#x
#%%
A=$
#%%
A=$ 
#%%
A="$"
#%%
A="a$"
#%%
A=a$b$
#%%
A=${EXTRA}${N}$N
#%%
A=$EXTRA_x
#%%
A=$N9
#%%
A=${N}9
#%%
A=$1x
#%%
A=$10
#%%
A="$@"
#%%
A=$$
#%%
A="${EXTRA:-x}" B="${EXTRA-x}" venv_dir="${NO-x}${NO:-y}${NO+z}${NO:+q}"
#%%
A= B=${A-x}${A:-y}
#%%
A=${B-$(echo a)}
#%%
A=${EXTRA-$(echo a)}
#%%
A=${EXTRA:+$(echo a)}
#%%
A=${NO:+$(echo a)}
#%%
export N; N=5
#%%
unset N; export N; N=5
#%%
unset EXTRA; EXTRA=1
#%%
N+=1; unset N; N+=2
#%%
A=1; unset -v A B; export A
#%%
export A; A+=x
#%%
readonly B=1; export B
#%%
A=1 B=2 export C
#%%
export -- A=1
#%%
export -x A=1
#%%
export A=1 -n B
#%%
declare -- A=1
#%%
declare -x -i N=3+4
#%%
declare -xi N; N=1+1
#%%
declare -gx A=1
#%%
declare -p EXTRA >/dev/null; A=1
#%%
set -a; A=1; set +a; A=2; B=3
#%%
set -a; for A in 1; do :; done
#%%
set -a; read -r A <<< x
#%%
set -ax; A=1
#%%
set -o allexport; A=1
#%%
set +o allexport; A=1
#%%
set -e -a; A=1
#%%
set -- -a; A=1
#%%
set - -a; A=1
#%%
set a -a; A=1
#%%
set -eu -o pipefail; A=1
#%%
set -euo pipefail -a; A=1
#%%
set -o; A=1
#%%
set; A=1
#%%
shopt -s nullglob extglob; A=1
#%%
shopt; A=1
#%%
A=@(x|y)
#%%
A=x+(y)
#%%
B=!(x)
#%%
A=~root
#%%
A=~+
#%%
A=~-/x
#%%
A=~/x:~root:~
#%%
A=a:~
#%%
A=":~"
#%%
A=\~/x
#%%
A=~\/x
#%%
A=~"/x"
#%%
A=~$N
#%%
A=~/
#%%
export A=~
#%%
HOME=/q; export A=~/z B=~
#%%
HOME=; A=~/x
#%%
A="~"/x
#%%
A=x=~/y
#%%
A=--x=~/y:~/z
#%%
PATH=$PATH:~/bin; A=$PATH
#%%
f() { :; }; f; A=1
#%%
f() { echo $1; }; f "$(date)"; A=1
#%%
f() { A=1; }; ( f ); B=2
#%%
f() { A=1; }; f | cat
#%%
f() { A=1; }; x=$(f)
#%%
f() { A=1; }; command f; B=1
#%%
f() { A=1; }; "f"
#%%
f() { A=1; }; \f
#%%
f() { A=1; }; ff; $f
#%%
f () { A=1; }
f() { :; }
f
#%%
true() { A=1; }; true
#%%
:() { A=1; }; :
#%%
function true { A=1; }; if true; then :; fi
#%%
echo() { A=1; }; echo
#%%
printf() { A=2; }; printf x
#%%
A=1; { unset A; }; B=2
#%%
while read -r A B; do :; done <<< "1 2"
#%%
until [ "$A" ]; do A=1; done
#%%
for ((A=0; A<3; A++)) { :; }
#%%
for A in; do B=1; done
#%%
for A in x; { B=$A; }
#%%
case x in y) A=1;; esac
#%%
case $EXTRA in --*) A=1;;& *) B=2;; esac
#%%
if false; then A=1; elif true; then B=1; else N=1; fi
#%%
exec 3<<< "A=1"; . /dev/fd/3
#%%
exec {B}<launch.py; A=1
#%%
exec; A=1
#%%
exec -a x true
#%%
exec > >(cat >/dev/null); A=1
#%%
[ -t 0 ] && A=1
#%%
test -v EXTRA && A=1
#%%
A=${BASH_VERSION:+x}
#%%
A=$BASH
#%%
A=$HOSTNAME
#%%
A=$UID
#%%
A=$IFS
#%%
A=$OSTYPE
#%%
A=$SHELL
#%%
A=$TERM
#%%
A=$PATH
#%%
A=$SHLVL
#%%
A=$_
#%%
A=$LANG
#%%
LC_ALL=C; A=1
#%%
OPTIND=3; A=$OPTIND
#%%
REPLY=x; read <<< y; A=$REPLY
#%%
MAPFILE=1; A=$MAPFILE
#%%
COLUMNS=10; A=$COLUMNS
#%%
PS1=x; A=$PS1
#%%
PWD=/x; A=$PWD; cd .; B=$PWD
#%%
OLDPWD=1; A=$OLDPWD
#%%
SHLVL=5; A=$SHLVL
#%%
BASHPID=1; A=$BASHPID
#%%
LINENO=100; A=$LINENO
#%%
HISTCMD=1; A=$HISTCMD
#%%
FUNCNAME=x; A=$FUNCNAME
#%%
GROUPS=5; A=$GROUPS
#%%
DIRSTACK=x; A=$DIRSTACK
#%%
_=x; A=$_
#%%
BASH_COMMAND=x; A=$BASH_COMMAND
#%%
EPOCHSECONDS=1; A=$EPOCHSECONDS
#%%
COMP_WORDBREAKS=x; A=$COMP_WORDBREAKS
#%%
BASH_ARGV0=zz; A=$0
#%%
TMOUT=1; A=$TMOUT
#%%
HOSTNAME=q; A=$HOSTNAME
#%%
OSTYPE=q; A=$OSTYPE
#%%
PPID=1
A=1
#%%
BASH_VERSION=1; A=$BASH_VERSION
#%%
BASH=1; A=$BASH
#%%
IFS=x; A=$IFS
#%%
SHELLOPTS=x; A=1
#%%
FUNCNEST=1; A=1
#%%
TIMEFORMAT=x; A=1
#%%
RANDOM=; A=$RANDOM
#%%
unset RANDOM; RANDOM=5; A=$RANDOM
#%%
unset PWD; A=$PWD
#%%
export RANDOM; A=1
#%%
PIPESTATUS=5; A=$PIPESTATUS
#%%
BASH_SOURCE=1; A=$BASH_SOURCE
#%%
BASH_REMATCH=1; A=$BASH_REMATCH
#%%
SECONDS=abc; A=$SECONDS
#%%
auto_resume=1; histchars=x; A=1
#%%
MAILCHECK=1; OPTERR=0; A=$OPTERR
#%%
COPROC=1; A=$COPROC
#%%
BASH_XTRACEFD=1; set -x; A=1
#%%
BASH_LOADABLES_PATH=/x; A=1
#%%
EXECIGNORE=*; A=1
#%%
INSIDE_EMACS=1; A=1
#%%
READLINE_LINE=x; A=$READLINE_LINE
#%%
BASH_ALIASES[x]=y; A=1
#%%
BASH_CMDS[x]=y; A=1
#%%
DIRSTACK[0]=y; A=1