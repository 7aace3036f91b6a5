go build -o leader.bin ./leader
./leader.bin first > leader.log & first=$!
until grep -qs 'I lead' leader.log; do sleep 0.2; done
kubectl patch lease leader.web.example.com --type=merge -p '{"spec":{"holderIdentity":"somebody-else"}}'
wait $first; echo "exit code $?"
cat leader.log
kubectl delete lease leader.web.example.com; rm leader.bin leader.log
