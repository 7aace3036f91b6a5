go build -o snapshot.bin ./snapshot
./snapshot.bin save "$ETCD" good.db
head -c -1000 good.db > cut.db
./snapshot.bin check cut.db
printf X | dd of=good.db bs=1 seek=4096 conv=notrunc status=none
./snapshot.bin check good.db
cp "$ETCD_DATA/member/snap/db" copy.db
./snapshot.bin check copy.db
rm snapshot.bin good.db cut.db copy.db
