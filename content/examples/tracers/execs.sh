sh -c 'bin/execs start $$; /bin/true; /bin/true; /bin/true; :'
bin/execs show | cut -d ' ' -f 2
bin/objects on_exec counts
bin/execs stop
bin/objects on_exec counts
