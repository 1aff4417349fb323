# curl, as the vendor's page shows it: what it prints is the answer itself. Style: "raw" (nothing is encoded, so + arrives as a space
# and the text may hold no &), "encoded" (the text is).
case $5 in
raw) data=-d ;;
encoded) data=--data-urlencode ;;
esac
curl -sS -X POST "$1" -d "recipients=$3" $data "message=$4" -d "apikey=$2"
