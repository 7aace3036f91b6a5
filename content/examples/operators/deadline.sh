kubectl create -f deadline/deployment.yaml
kubectl wait deployment/stuck --for=jsonpath='{.status.conditions[?(@.type=="Progressing")].reason}'=ProgressDeadlineExceeded --timeout=60s
kubectl get deployment stuck -o jsonpath='{.spec.template.spec.containers[0].image}{"\n"}'
kubectl delete deployment stuck
